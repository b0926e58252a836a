"""Baidu's image recognition (AIP): access tokens, the recognisers of images, and custom models (EasyDL).

Fields and error codes are those of Baidu's documentation of image recognition; the client is PyPI's ``baidu-aip``.
"""
