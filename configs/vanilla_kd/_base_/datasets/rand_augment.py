# The operations of timm's rand-m7-mstd0.5, as the authors' commands have it. Without "-inc1", which RSB has and which
# mmpretrain calls timm_increasing, a higher level keeps more bits and inverts less, and color, contrast, brightness and
# sharpness go from 0.1 to 1.9 of the image's own.
rand_augment_policies = [
    dict(type='AutoContrast'),
    dict(type='Equalize'),
    dict(type='Invert'),
    dict(type='Rotate', magnitude_range=(0, 30)),
    dict(type='Posterize', magnitude_range=(1e-6 - 1, 3 + 1e-6)),  # 0 to 4 bits, rounded down: mmpretrain rounds up
    dict(type='Solarize', magnitude_range=(0, 256)),
    dict(type='SolarizeAdd', magnitude_range=(0, 110)),
    dict(type='ColorTransform', magnitude_range=(-0.9, 0.9), random_negative_prob=0.),
    dict(type='Contrast', magnitude_range=(-0.9, 0.9), random_negative_prob=0.),
    dict(type='Brightness', magnitude_range=(-0.9, 0.9), random_negative_prob=0.),
    dict(type='Sharpness', magnitude_range=(-0.9, 0.9), random_negative_prob=0.),
    dict(type='Shear', magnitude_range=(0, 0.3), direction='horizontal'),
    dict(type='Shear', magnitude_range=(0, 0.3), direction='vertical'),
    dict(type='Translate', magnitude_range=(0, 0.45), direction='horizontal'),
    dict(type='Translate', magnitude_range=(0, 0.45), direction='vertical'),
]
