"""Finds missing, truncated and mislabelled files of a data set.

Counts, names and lists are compared with what the data set should be, and of every image the first and last bytes are
read; --decode reads all of it. What is wrong goes to a list, one problem a line: its kind, the path, in words.
"""
import argparse
import hashlib
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple
from functools import partial
from pathlib import Path

import mmkd  # noqa: F401  (lets MMEngine read archive://)
from tqdm import tqdm

from mmkd.datasets.verification.coco import plan_coco
from mmkd.datasets.verification.files import Plan, plan_folders, plan_list, plan_pairs
from mmkd.datasets.verification.images import ImageFile, Problem, check_image, is_problem_list
from mmkd.datasets.verification.known import KNOWN, plan_known
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.small import read_json, write_json, write_text

EXPLANATION = f"""\
KIND is a data set that is known by name: {', '.join(KNOWN)}; or how one of your own is laid out:
  folders    one subfolder a class
  list       --ann-file names the images and their classes, as mmpretrain's CustomDataset reads it
  coco-json  --ann-file is a COCO annotation file of the images
  pairs      ROOT/images has JPEGs and ROOT/annotations masks of the same names, PNGs, as ADE20K has them; --images,
             --masks, --image-suffix and --mask-suffix name other folders and endings

The exit status is 0 if nothing is wrong, 1 if something is, 2 if there is nothing to check.

examples:
  python tools/misc/verify_dataset.py imagenet --split val
  python tools/misc/verify_dataset.py imagenet archive://data/imagenet.index --decode --workers 8
  python tools/misc/verify_dataset.py list data/mine/train --ann-file data/mine/meta/train.txt --num-classes 10
  python tools/misc/verify_dataset.py pairs data/digits/scenes --masks annotations_seg --image-suffix .png
"""
CHUNK = 64
SAVE_SECONDS = 10.0
OPTIONS = dict(split=tuple(KNOWN), ann_file=('list', 'coco-json'), num_classes=('list', 'pairs'), images=('pairs', ),
               masks=('pairs', ), image_suffix=('pairs', ), mask_suffix=('pairs', ))  # for which kinds each is


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('kind', choices=[*KNOWN, 'folders', 'list', 'coco-json', 'pairs'], metavar='KIND')
    parser.add_argument('root', nargs='?', help='its folder, or archive://… (default: where the configs look)')
    parser.add_argument('--split', action='append', help='check only this split; may be given again')
    parser.add_argument('--ann-file', help='for list and coco-json')
    parser.add_argument('--num-classes', type=int, help='for list and pairs: how many classes there are')
    parser.add_argument('--images', metavar='NAME',
                        help='for pairs: folder of the images, below the root (default: images)')
    parser.add_argument('--masks', metavar='NAME',
                        help='for pairs: folder of the masks, below the root (default: annotations)')
    parser.add_argument('--image-suffix', metavar='NAME',
                        help="for pairs: what the images' names end with, as mmseg's img_suffix (default: .jpg)")
    parser.add_argument('--mask-suffix', metavar='NAME',
                        help="for pairs: what the masks' names end with, as seg_map_suffix (default: .png)")
    parser.add_argument('--decode', action='store_true', help='decode every image')
    parser.add_argument('--workers', type=int, default=min(cores, 16), help='processes (default: %(default)s)')
    parser.add_argument('--list', type=Path, help='where to write what is wrong; a list of an earlier check is '
                        'replaced, or deleted if all is well (default: KIND-problems.txt)')
    parser.add_argument('--resume', action='store_true', help='go on where a run of the same check was interrupted')
    return parser.parse_args(argv)


def make_plan(args: argparse.Namespace) -> Plan:
    """What to check.

    Raises:
        UserError: A folder, list or option is missing.
    """
    for name, kinds in OPTIONS.items():
        if getattr(args, name) is not None and args.kind not in kinds:
            raise UserError(f'--{name.replace("_", "-")} expects {" or ".join(kinds)}, got {args.kind}. Leave it out.')
    if args.num_classes is not None and args.num_classes < 1:
        raise UserError(f'--num-classes expects 1 or more, got {args.num_classes}.')
    if args.kind in KNOWN:
        return plan_known(args.kind, args.root or KNOWN[args.kind][0], args.split)
    if not args.root:
        raise UserError(f'{args.kind} expects the folder of the images. Name it.')
    if args.kind in ('list', 'coco-json') and not args.ann_file:
        raise UserError(f'{args.kind} expects --ann-file, got none.')
    if args.kind == 'list':
        return plan_list(args.root, args.ann_file, args.num_classes)
    if args.kind == 'coco-json':
        return plan_coco(args.root, args.ann_file)
    if args.kind == 'pairs':
        return plan_pairs(f'{args.root}/{args.images or "images"}', f'{args.root}/{args.masks or "annotations"}',
                          args.num_classes or 255,
                          suffixes=(args.image_suffix or '.jpg', args.mask_suffix or '.png'))
    return plan_folders(args.root)


def check_chunk(images: list[ImageFile], decode: bool) -> list[Problem]:
    """What is wrong with some images."""
    return [problem for problem in (check_image(image, decode) for image in images) if problem]


def results(chunks: list[list[ImageFile]], args: argparse.Namespace) -> Iterator[list[Problem]]:
    """The problems of each chunk, in order."""
    check = partial(check_chunk, decode=args.decode)
    if args.workers < 2 or len(chunks) < 2:
        yield from map(check, chunks)
        return
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with multiprocessing.get_context('fork').Pool(args.workers, ignore) as pool:
        yield from pool.imap(check, chunks)


class Journal:
    """How far a check has come, in a file beside the list of problems, to go on after an interruption.

    Args:
        path: The file.
        plan: What is checked.
        args: How.
    """

    def __init__(self, path: Path, plan: Plan, args: argparse.Namespace) -> None:
        digest = hashlib.sha256(repr((args.kind, args.root, args.decode, CHUNK)).encode())
        for image in plan.images:
            digest.update(repr(astuple(image)).encode())
        self.path, self.key, self.done, self.problems = path, digest.hexdigest(), 0, []
        self._saved = time.monotonic()
        state = read_json(path) if args.resume else {}
        if state.get('key') == self.key:
            self.done, self.problems = state['done'], [Problem(*row) for row in state['problems']]

    def add(self, problems: list[Problem]) -> None:
        """Notes that one more chunk was checked."""
        self.done += 1
        self.problems += problems
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Writes the file."""
        write_json(self.path, dict(key=self.key, done=self.done, problems=[astuple(p) for p in self.problems]))
        self._saved = time.monotonic()


def check(plan: Plan, journal: Journal, args: argparse.Namespace) -> list[Problem]:
    """Checks all images that the journal does not have, with a progress bar."""
    chunks = [plan.images[i:i + CHUNK] for i in range(0, len(plan.images), CHUNK)]
    todo = chunks[journal.done:]
    with tqdm(total=len(plan.images), initial=len(plan.images) - sum(map(len, todo)), unit='image',
              disable=None) as progress:
        try:
            for chunk, problems in zip(todo, results(todo, args)):
                journal.add(problems)
                progress.update(len(chunk))
                progress.set_postfix(wrong=len(journal.problems))
        except KeyboardInterrupt:
            journal.save()
            raise UserError(f'interrupted after {journal.done} of {len(chunks)} parts. Go on with --resume.') from None
    journal.path.unlink(missing_ok=True)
    return plan.problems + journal.problems


def report(problems: list[Problem], plan: Plan, path: Path) -> None:
    """Prints what is wrong, in short, and writes all of it to the list."""
    if not problems:
        path.unlink(missing_ok=True)
        print(f'ok: {len(plan.images)} images')
        return
    write_text(path, ''.join(f'{problem}\n' for problem in problems))
    for problem in itertools.islice(problems, 10):
        print(problem)
    kinds = ', '.join(f'{kind}: {count}' for kind, count in Counter(p.kind for p in problems).most_common())
    print(f'{len(problems)} problems ({kinds}), {len(plan.images)} images; all of them in {path}')


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    if args.workers < 1:
        raise UserError(f'--workers expects 1 or more, got {args.workers}.')
    path = args.list or Path(f'{args.kind}-problems.txt')
    if path.exists() and not is_problem_list(path):
        raise UserError(f'--list expects a new file or a list of problems, got {path}, which is something else. Name '
                        'another file.')
    plan = make_plan(args)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not plan.images and not plan.problems and not args.kind.startswith('cifar'):
        raise UserError(f'{args.root} expects images, found none.')
    journal = Journal(path.with_name(f'.{path.name}.progress'), plan, args)
    problems = check(plan, journal, args)
    report(problems, plan, path)
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
