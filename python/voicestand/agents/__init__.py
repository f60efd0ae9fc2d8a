# SPDX-License-Identifier: MIT
"""Adapters for frameworks of voice agents, one module each; each needs its framework's package."""
