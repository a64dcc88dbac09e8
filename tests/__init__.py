"""The tests of consolegw; the folders mirror ``gateway/``."""
