"""Installs mmkd and ships configs, tools and the model index with it, below ``mmkd/.mim``.

MMEngine and ``mim`` look there for ``mmkd::…`` configs. Other OpenMMLab packages choose between copies and
links by ``sys.argv``, which holds neither ``install`` nor ``develop`` when pip builds through
``pyproject.toml``. Here the build step itself does it, and setuptools tells it whether the install is editable.
"""
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'tools', 'model-index.yml')

ONEDL = [
    'torch>=2.4', 'torchvision', 'onedl-mmengine>=0.10.12,<1', 'onedl-mmcv>=2.3.6,<3',
    'onedl-mmdetection>=3.5.1,<4', 'onedl-mmsegmentation>=1.4.2,<2', 'onedl-mmpretrain>=1.3.6,<2', 'timm>=1.0',
    'ftfy', 'regex', 'scikit-learn', 'tensorboard'
]
OPENMMLAB = [
    'torch>=2.4,<2.5', 'torchvision>=0.19,<0.20', 'numpy<2', 'opencv-python<4.12', 'setuptools<81',
    'mmengine>=0.10.7,<1', 'mmcv-lite>=2.1,<2.2', 'mmdet>=3.3,<4', 'mmsegmentation>=1.2.2,<2',
    'mmpretrain>=1.2,<2', 'timm>=1.0', 'ftfy', 'regex', 'scikit-learn', 'tensorboard'
]
HF = ['transformers', 'huggingface_hub']  # models and students on the Hugging Face hub
EXPORT = ['onnx', 'onnxscript', 'onnxruntime']
DOCS = ['sphinx>=8', 'furo', 'myst-parser>=4', 'sphinx-copybutton']
ANALYSIS = ['matplotlib', 'scipy', 'captum', 'imagecorruptions-imaug']  # of `mmkd analyse`
DEV = ['pytest', 'pytest-timeout', 'pytest-xdist', 'ruff', 'mypy', 'pre-commit']


class BuildPyWithMim(build_py):
    """Puts ``configs``, ``tools`` and ``model-index.yml`` below ``mmkd/.mim``.

    A wheel gets copies; an editable install gets links in the source tree, so that an edited config counts
    at once.
    """

    def run(self) -> None:
        """Builds the package and then its ``.mim``."""
        super().run()
        if self.editable_mode:
            self._link_into_source_tree()
            return
        shutil.rmtree(Path(self.build_lib, 'mmkd', '.mim'), ignore_errors=True)
        for target, source in self._mim_files().items():
            self.mkpath(str(Path(target).parent))
            self.copy_file(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Lists the files that a build writes."""
        return list(dict.fromkeys([*super().get_outputs(include_bytecode), *self._mim_files()]))

    def get_output_mapping(self) -> dict[str, str]:
        """Maps the files that a build writes to their sources."""
        return {**super().get_output_mapping(), **self._mim_files()}

    def _mim_files(self) -> dict[str, str]:
        sources = [path for name in SHIPPED for path in [ROOT / name, *sorted(ROOT.joinpath(name).rglob('*'))]
                   if path.is_file() and '__pycache__' not in path.parts]
        mim = Path(self.build_lib, 'mmkd', '.mim')
        return {str(mim / path.relative_to(ROOT)): str(path) for path in sources}

    def _link_into_source_tree(self) -> None:
        mim = ROOT / 'mmkd' / '.mim'
        mim.mkdir(exist_ok=True)
        for name in SHIPPED:
            target = mim / name
            if target.is_symlink() or target.is_file():
                target.unlink()
            elif target.is_dir():
                shutil.rmtree(target)
            try:
                target.symlink_to(Path('..', '..', name), target_is_directory=(ROOT / name).is_dir())
            except OSError:  # no right to make links, as on Windows outside developer mode
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
                copy(ROOT / name, target)


def read_version() -> str:
    """Reads the version without importing the package."""
    text = (ROOT / 'mmkd' / 'version.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE).group(1)


def read_readme() -> str:
    """Reads the long description, if there is one."""
    readme = ROOT / 'README.md'
    return readme.read_text(encoding='utf-8') if readme.is_file() else ''


def read_addresses() -> dict[str, str]:
    """Reads the project's address from CITATION.cff, where it is written once; none as long as there is none."""
    citation = ROOT / 'CITATION.cff'
    text = citation.read_text(encoding='utf-8') if citation.is_file() else ''
    found = re.search(r'^repository-code: *[\'"]?(https://[^\s\'"]+)', text, re.MULTILINE)
    if found is None:
        return {}
    address = found.group(1).rstrip('/')
    return dict(Source=address, Issues=f'{address}/issues', Changelog=f'{address}/blob/main/CHANGELOG.md')


setup(
    name='mmkd',
    version=read_version(),
    description='Knowledge distillation from large-kernel ConvNets and Transformers, inside OpenMMLab',
    long_description=read_readme(),
    long_description_content_type='text/markdown',
    author='The mmkd authors',
    license='Apache-2.0',
    project_urls=read_addresses(),
    keywords='knowledge distillation, image classification, object detection, semantic segmentation',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=['mmkd', 'mmkd.*']),
    py_modules=['mmkd_command'],  # beside the package: it starts the command without importing all of that
    entry_points={'console_scripts': ['mmkd = mmkd_command:main']},
    # An editable install then puts this folder on the path. Otherwise it would be a finder that comes after the path,
    # where a Python started beside a clone named mmkd finds that folder instead of the package.
    package_dir={'': '.'},
    package_data={'mmkd': ['py.typed', 'experiments/demo/weights/*']},
    # The OpenMMLab packages and torch are extras: their two distributions share import names, and
    # installing mmkd must never overwrite the ones that are there.
    install_requires=[],
    extras_require={'onedl': ONEDL, 'openmmlab': OPENMMLAB, 'hf': HF, 'export': EXPORT, 'analysis': ANALYSIS,
                    'docs': DOCS, 'dev': DEV},
    cmdclass={'build_py': BuildPyWithMim},
    zip_safe=False,
)
