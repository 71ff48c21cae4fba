"""How Sphinx builds the site: ``sphinx-build -W --keep-going -b html docs docs/_build/html``."""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / '_ext'), str(ROOT)]

import mmkd  # noqa: E402, F401  (before mmdet: it supplies mmcv's ops where they are not compiled)

project = 'mmkd'
author = 'The mmkd authors'
copyright = 'The mmkd authors, Apache License 2.0'
release = version = re.search(r"'(.+)'", (ROOT / 'mmkd/version.py').read_text(encoding='utf-8')).group(1)

extensions = [
    'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.viewcode', 'myst_parser', 'sphinx_copybutton',
    'reference_pages', 'repository_links', 'mathml',
]
exclude_patterns = ['_build', '_ext']
myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 3
suppress_warnings = ['myst.header']  # a page of the repository may begin with its title and go on with a third level

autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented'
autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_mock_imports = ['triton']
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = 'furo'
html_title = f'mmkd {release}'
html_static_path = ['_static']
html_css_files = ['site.css']
html_theme_options = {'navigation_with_keys': True}
add_module_names = False  # the page's title has the module
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = r'\$ |>>> '
copybutton_prompt_is_regexp = True

linkcheck_timeout = 20
linkcheck_anchors = False
