# SPDX-License-Identifier: MIT
"""The call shapes of other packages: change one import, keep the rest of a program."""
