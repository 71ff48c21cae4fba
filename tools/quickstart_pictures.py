"""The figures of ``quickstart.py``: what is drawn of which runs."""
from importlib.util import find_spec

from quickstart_plan import Plan

from mmkd.experiments.run_logs import last_checkpoint, read_scalars

SCENES = range(3)  # the first validation scenes, not picked
CAPTIONS = {
    'curves.png': 'Top-1 of the students on the validation digits over the epochs.',
    'inside.png': 'Effective receptive fields of teacher and students of seed 0, with the area that holds a share of '
                  'the contribution; and CKA of the layers of the teacher with those of each student.',
    'detection.png': 'Mask R-CNN on the first validation scenes: '
                     'objects with a score of 0.3 or more, the best in each place.',
    'segmentation.png': 'UperNet on the first validation scenes, and the mean IoU of the classes in each.',
}
ORIGINS = dict(scratch='backbone from scratch', alone='backbone: student alone',
               distilled='backbone: distilled student')
CURVES = dict(alone='trained alone', distilled='distilled (NKD)', kd='distilled (KD)')


def draw_figures(plan: Plan) -> dict[str, str]:
    """Draws the curves of the students, the inside of the models, and what detectors and segmentors see.

    Args:
        plan: A plan whose jobs are done.

    Returns:
        File name to caption; nothing where matplotlib is not installed.
    """
    if not find_spec('matplotlib'):
        return {}
    from mmkd.zoo import load_safely_everywhere
    load_safely_everywhere()
    _draw_students(plan)
    _draw_scenes(plan)
    return CAPTIONS


def _draw_students(plan: Plan) -> None:
    from mmkd.experiments.quickstart_figures import draw_curves, draw_inside
    from mmkd.experiments.quickstart_inside import alignments, read_fields
    settings, folder = plan.settings, plan.settings.work_dir
    curves = {}
    for kind in settings.student_kinds:
        logs = [read_scalars(folder / f'{kind}-seed{seed}')[1] for seed in settings.student_seeds]
        curves[CURVES[kind]] = [{epoch: figures['accuracy/top1'] for epoch, figures in log.items()} for log in logs]
    draw_curves(folder / 'curves.png', curves, plan.jobs['teacher'].done()['metrics']['accuracy/top1'])
    draw_inside(folder / 'inside.png', read_fields(plan.jobs['inside-erf'].folder),
                alignments(plan.jobs['inside-cka'].done()['metrics']['numbers']))


def _draw_scenes(plan: Plan) -> None:
    from mmengine.utils import import_modules_from_strings

    from mmkd.experiments.scene_figures import draw_scenes
    from mmkd.experiments.scene_predictions import predict_scenes
    settings, folder = plan.settings, plan.settings.work_dir
    for task, name, title in (('mask-rcnn', 'detection.png', 'Mask R-CNN: boxes and masks'),
                              ('upernet', 'segmentation.png', 'UperNet: the class of each pixel')):
        scenes = {}
        for kind in settings.scene_kinds:
            job = plan.jobs[f'{task}-{kind}-seed0']
            config = job.config  # and not the file in its folder, which is a program that anybody may have changed
            import_modules_from_strings(**config.get('custom_imports', dict(imports=[])))
            scenes[ORIGINS[kind]] = predict_scenes(config, last_checkpoint(job.folder), SCENES)
        info = config.val_dataloader.dataset.metainfo
        draw_scenes(folder / name, title, scenes, info.classes, info.palette)
