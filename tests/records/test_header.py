import json
from dataclasses import replace

import pytest

from mmkd.cache.info import describe
from mmkd.records import Header, Reader, RecordFormat, TapFormat
from mmkd.utils import UserError

PIPELINE = [dict(type='Crop', scale=32), dict(type='RandomFlip', prob=0.5)]
VIEWS = dict(samples=10, sample_list='ab12', pipeline=PIPELINE, mixing=None, seed=0, input_size=[3, 32, 32],
             normalisation=dict(mean=[0.], std=[1.], to_rgb=True), num_classes=10)
HEADER = Header(VIEWS, dict(weights='cd34', config=dict(type='ImageClassifier'), dtype='float32'), RecordFormat(10), 3,
                dict(batch_size=8, parts=1), dict(torch='2.12.1', Pillow='12'))


def test_headers_survive_the_disk(tmp_path):
    HEADER.write(tmp_path)
    assert Header.read(tmp_path) == HEADER and Header.read(tmp_path).fingerprint == HEADER.fingerprint


@pytest.mark.parametrize(('views', 'words'), [
    (dict(pipeline=[PIPELINE[0], dict(type='RandomFlip', prob=0.2)]),
     r'pipeline\[1\].prob is 0.5 in the cache and 0.2 in the recipe'),
    (dict(pipeline=PIPELINE[:1]), 'pipeline is '),
    (dict(sample_list='ff'), r'the list of samples \(paths, labels or their order\) is ab12'),
    (dict(samples=11), 'the number of samples is 10 in the cache and 11'),
    (dict(seed=1), 'the seed of the views is 0 in the cache and 1'),
    (dict(mixing=[dict(kind='Mixup')]), 'mixing is null in the cache'),
    (dict(input_size=[3, 64, 64]), r'the size of the views\[1\] is 32'),
    (dict(normalisation=dict(mean=[0.], std=[1.], to_rgb=False)), 'normalisation.to_rgb is true'),
    (dict(num_classes=100), 'num_classes is 10 in the cache and 100')])
def test_a_difference_is_named(views, words):
    import re
    found = HEADER.differences(replace(HEADER, views=VIEWS | views))
    assert len(found) == 1 and re.search(words, found[0])
    assert replace(HEADER, views=VIEWS | views).fingerprint != HEADER.fingerprint


def test_another_teacher_is_named():
    other = replace(HEADER, teacher=dict(weights='ee', config=dict(type='TimmClassifier')))
    assert [text.split(' is ')[0] for text in HEADER.differences(other)] == [
        "the teacher's weights (their hash)", "the teacher's config.type"]
    assert HEADER.differences(other, teacher=False) == []


def test_another_class_count_is_named():
    assert HEADER.differences(replace(HEADER, format=RecordFormat(100))) == [
        'the record.classes is 10 in the cache and 100 in the recipe']


CLASSES = dict(declared=dict(a=0, b=1), found={}, source='', numbered=0)


def test_classes_survive_the_disk_and_are_compared(tmp_path):
    named = replace(HEADER, teacher=HEADER.teacher | dict(classes=CLASSES))
    named.write(tmp_path)
    assert Header.read(tmp_path) == named and HEADER.differences(named) == []
    other = replace(HEADER, teacher=HEADER.teacher | dict(classes=CLASSES | dict(declared=dict(a=1, b=0))))
    assert named.differences(other) == ["the teacher's classes.declared.a is 0 in the cache and 1 in the recipe"]


@pytest.mark.parametrize('classes', [3, {}, dict(CLASSES, declared=[]), dict(CLASSES, found=dict(a='b'))])
def test_classes_that_are_none(tmp_path, classes):
    replace(HEADER, teacher=HEADER.teacher | dict(classes=classes)).write(tmp_path)
    with pytest.raises(UserError, match='cannot be read .*teacher.classes'):
        Header.read(tmp_path)


def test_epochs_and_batches_are_no_difference():
    assert HEADER.differences(replace(HEADER, epochs=9, build=dict(batch_size=1))) == []


def test_versions_only_warn():
    other = replace(HEADER, versions=dict(torch='3', Pillow='12'))
    assert HEADER.differences(other) == []
    assert HEADER.warnings(other) == ['torch was 2.12.1 when the cache was built, and is 3']


def test_a_folder_without_a_header(tmp_path):
    with pytest.raises(UserError, match='expects a teacher cache, and has no header.json. Build one'):
        Header.read(tmp_path)


@pytest.mark.parametrize('text', ['', '[]', '{"version": 1}', 'cos\nsystem\n(S"true"\ntR.', '[' * 100_000])
def test_a_damaged_header(tmp_path, text):
    (tmp_path / 'header.json').write_text(text)
    with pytest.raises(UserError, match='cannot be read'):
        Header.read(tmp_path)


@pytest.mark.parametrize('change', [dict(epochs=0), dict(epochs='3'), dict(views=dict(samples=-1)), dict(teacher=[]),
                                    dict(views=dict(samples=2**50))])
def test_nonsense_in_a_header(tmp_path, change):
    HEADER.write(tmp_path)
    content = json.loads((tmp_path / 'header.json').read_text())
    (tmp_path / 'header.json').write_text(json.dumps(content | change))
    with pytest.raises(UserError, match='cannot be read'):
        Header.read(tmp_path)


def test_another_version_of_the_format(tmp_path):
    HEADER.write(tmp_path)
    text = (tmp_path / 'header.json').read_text().replace('"version": 1', '"version": 2')
    (tmp_path / 'header.json').write_text(text)
    with pytest.raises(UserError, match='expects version 1 of the format, got 2'):
        Header.read(tmp_path)


def _paths(content, path=()):
    """The places of all keys of nested dicts."""
    for key, value in content.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from _paths(value, (*path, key))


def _changed(content, path, value):
    content = json.loads(json.dumps(content))
    place = content
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


@pytest.mark.parametrize('value', [..., None, -1, 2**40, 'x', [], {}, [2**40, 2**40], [1] * 100], ids=repr)
def test_no_value_in_a_header_ends_in_another_error(tmp_path, value):
    taps = dict(stage2=TapFormat((4, 2, 2)))
    replace(HEADER, format=RecordFormat(10, 'all', taps=taps)).write(tmp_path)
    true, refused = json.loads((tmp_path / 'header.json').read_text()), 0
    for path in _paths(true):
        (tmp_path / 'header.json').write_text(json.dumps(_changed(true, path, value)))
        try:
            reader = Reader(tmp_path)
            header = reader.header
            header.differences(HEADER), header.warnings(HEADER), header.bytes(), header.fingerprint
            assert 0 < header.format.size < 2**31 and not reader.complete_epochs
            assert type(header.views['seed']) is int and list(describe(tmp_path))
        except UserError as error:
            refused += 1
            assert '\n' not in str(error)
    assert refused > 10


def test_a_training_whose_batches_have_no_one_size(tmp_path):
    """A batch sampler tells none; who builds in the order of the samples needs one."""
    replace(HEADER, build=dict(batch_size=None, parts=1, like_training=True)).write(tmp_path / 'training')
    assert Header.read(tmp_path / 'training').build['batch_size'] is None
    replace(HEADER, build=dict(batch_size=None, parts=1, like_training=False)).write(tmp_path / 'order')
    with pytest.raises(UserError, match='build.batch_size is None'):
        Header.read(tmp_path / 'order')
