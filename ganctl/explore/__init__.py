"""The web page of ``ganctl explore``, which has a slider for every dimension of z."""
