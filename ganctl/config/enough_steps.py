"""Number of steps after which samples are usually recognizable."""

#: With the models' learning rates of about 2e-4, samples of 28 to 64 pixels become recognizable between 300 steps
#: (dcgan on MNIST) and a few thousand (color photographs). Below this number, samples are not analyzed.
ENOUGH_STEPS = 1000

#: Below this number of images, D soon memorizes the dataset unless the images are augmented (Zhao et al. 2020,
#: arXiv:2006.10738: on CIFAR-10, FID worsens fastest below a tenth of the images).
FEW_IMAGES = 2000
