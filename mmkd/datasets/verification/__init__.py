"""Whether data fit before they are used: classes, labels, splits, and images that are in two of them."""
from .finding import Finding, collected
from .fit import class_findings, fit_findings, overlap_findings

__all__ = ['Finding', 'class_findings', 'collected', 'fit_findings', 'overlap_findings']
