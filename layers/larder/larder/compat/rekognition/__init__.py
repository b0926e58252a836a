"""Amazon Rekognition: labels of images; projects of Custom Labels are models, and their versions are releases.

Every name and bound is that of botocore's model of the service (``rekognition/2016-06-27``).
"""
