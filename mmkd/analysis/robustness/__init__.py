"""How well models hold on other images: the test sets of ImageNet's classes, and corrupted images of any data set."""
