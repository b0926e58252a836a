"""Audits of labelled images: label errors, copies, rare classes."""
