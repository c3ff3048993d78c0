"""A training run in a process of its own, so that a test can kill it: RECIPE TEXT OUT."""

import sys
from pathlib import Path

from chatdesk.training.trainer import train

if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), lambda event: None)
