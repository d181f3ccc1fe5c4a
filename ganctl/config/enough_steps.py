"""The number of steps after which samples are usually recognizable."""

#: With the recipes' learning rates of about 2e-4, samples of 28 to 64 pixels become recognizable between 300 steps
#: (dcgan on MNIST) and a few thousand (color photographs). Below this number, nothing is concluded from samples.
ENOUGH_STEPS = 1000

#: Below so many images, D soon memorizes the dataset, unless it sees augmented images (Zhao et al. 2020,
#: arXiv:2006.10738: the FID of CIFAR-10 worsens fastest below a tenth of its images).
FEW_IMAGES = 2000
