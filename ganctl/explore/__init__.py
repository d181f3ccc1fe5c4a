"""The web page of ``ganctl explore``, with a slider for every dimension of z."""
