"""A page in the browser with a slider for every dimension of z.

``explorer`` draws what the page asks for, ``server`` brings it there, ``page.*`` is what one sees.
"""
