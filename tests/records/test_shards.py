"""Writing, reading, and what may happen to the files."""
import os
import pickle

import numpy as np
import pytest
import torch

from mmkd.records import Header, Reader, RecordFormat, Writer, decode, encode
from mmkd.records.formats import HEAD
from mmkd.records.shards import Shard, shards_in
from mmkd.utils import UserError

FORMAT, SAMPLES = RecordFormat(20, 3), 50
LOGITS = torch.randn(SAMPLES, 20, generator=torch.Generator().manual_seed(1))
ROWS = encode(dict(logits=LOGITS), FORMAT, LOGITS.argmax(1), range(100, 100 + SAMPLES))


def header(**views):
    return Header(dict(samples=SAMPLES, seed=0) | views, dict(weights='a'), FORMAT, 2)


@pytest.fixture
def cache(tmp_path):
    """Epochs 0 and 1, the second in two shards."""
    header().write(tmp_path)
    for shard in (Shard(0, 0, SAMPLES), Shard(1, 0, 30), Shard(1, 30, SAMPLES)):
        fill(tmp_path, shard)
    return tmp_path


def fill(folder, shard):
    with Writer(folder, header(), shard) as writer:
        writer.write(np.arange(shard.start, shard.stop), ROWS[shard.start:shard.stop])
        writer.finish()


def test_records_come_back_by_epoch_and_sample(cache):
    reader = Reader(cache)
    assert reader.epochs_there() == [0, 1] and reader.complete_epochs == 2
    for epoch in (0, 1):
        found = decode([reader.row(epoch, index) for index in (49, 0, 31)], FORMAT)['logits']
        assert torch.equal(found, decode(ROWS[[49, 0, 31]], FORMAT)['logits'])
    assert reader.rows(1, [3, 40])['checksum'].tolist() == [103, 140]


def test_the_size_is_that_of_the_formula(cache):
    one = (cache / 'epoch_00000.records').stat().st_size
    assert 2 * one == header().bytes() == 2 * (SAMPLES * FORMAT.size + HEAD)


def test_readers_are_picklable_and_open_the_files_anew(cache):
    reader = Reader(cache)
    reader.row(0, 1)
    text = pickle.dumps(reader)
    assert len(text) < 5000 and pickle.loads(text).row(0, 1).tolist() == reader.row(0, 1).tolist()


def test_few_files_stay_open(tmp_path):
    header().write(tmp_path)
    for epoch in range(6):
        fill(tmp_path, Shard(epoch, 0, SAMPLES))
    reader = Reader(tmp_path)
    for epoch in range(6):
        reader.row(epoch, 0)
    assert len(reader._open) == 3


def test_any_order_of_writing_gives_the_same_file(cache):
    with Writer(cache, header(), Shard(2, 0, SAMPLES)) as writer:
        order = np.random.default_rng(0).permutation(SAMPLES)
        for part in np.split(order, [7, 20]):
            writer.write(part, ROWS[part])
        writer.finish()
    fill(cache, Shard(3, 0, SAMPLES))
    first, second = Reader(cache).rows(2, range(SAMPLES)), Reader(cache).rows(3, range(SAMPLES))
    names = [name for name in FORMAT.record.names if name != 'crc']
    assert (first[names] == second[names]).all() and (first['crc'] != second['crc']).any()  # the epoch is in it


def test_what_was_killed_is_taken_up(cache):
    shard = Shard(2, 0, SAMPLES)
    with Writer(cache, header(), shard) as writer:
        writer.write(np.array([4, 2, 3]), ROWS[[4, 2, 3]])
    assert Reader(cache).epochs_there() == [0, 1] and shards_in(cache, SAMPLES, unfinished=True) == [shard]
    with Writer(cache, header(), shard) as writer:
        assert np.flatnonzero(writer.there).tolist() == [2, 3, 4]
        writer.write(writer.missing, ROWS[writer.missing])
        writer.finish()
    assert Reader(cache).rows(2, range(SAMPLES))['checksum'].tolist() == list(range(100, 150))
    assert not list(cache.glob('*.part'))


def test_a_torn_record_is_not_taken_for_one(cache):
    shard = Shard(2, 0, SAMPLES)
    with Writer(cache, header(), shard) as writer:
        writer.write(np.arange(10), ROWS[:10])
    with open(next(cache.glob('*.part')), 'r+b') as file:
        file.seek(HEAD + 5 * FORMAT.size + 10)
        file.write(bytes(FORMAT.size - 10))  # the second part of it never reached the disk
    with Writer(cache, header(), shard) as writer:
        assert 5 in writer.missing and len(writer.missing) == SAMPLES - 9


def test_what_another_cache_has_begun_is_not_taken_up(cache):
    with Writer(cache, header(seed=1), Shard(2, 0, SAMPLES)) as writer:
        writer.write(np.arange(10), ROWS[:10])
    with Writer(cache, header(seed=2), Shard(2, 0, SAMPLES)) as writer:
        assert len(writer.missing) == SAMPLES


def test_a_shard_with_a_gap_is_not_finished(cache):
    with Writer(cache, header(), Shard(2, 0, SAMPLES)) as writer:
        writer.write(np.arange(10), ROWS[:10])
        with pytest.raises(UserError, match='40 are missing, first 10'):
            writer.finish()


def test_a_cut_off_shard(cache):
    path = cache / 'epoch_00000.records'
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(UserError, match=r'epoch_00000.records expects [\d,]+ bytes, got [\d,]+: it is cut off'):
        Reader(cache).row(0, 0)


@pytest.mark.parametrize('place', [0, 1, 5, FORMAT.size - 1])
def test_a_changed_byte(cache, place):
    with open(cache / 'epoch_00000.records', 'r+b') as file:
        file.seek(HEAD + 7 * FORMAT.size + place)
        old = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([old[0] ^ 4]))
    reader = Reader(cache)
    assert len(reader.row(0, 6)) == FORMAT.size
    with pytest.raises(UserError, match='record of sample 7, and it is damaged'):
        reader.row(0, 7)


def test_a_shard_of_another_cache_or_epoch(cache):
    (cache / 'epoch_00000.records').rename(cache / 'epoch_00005.records')
    with pytest.raises(UserError, match='expects epoch 5 of the cache.*got epoch 0'):
        Reader(cache).row(5, 0)
    header(seed=9).write(cache)
    with pytest.raises(UserError, match='expects epoch 1'):
        Reader(cache).row(1, 0)


def test_an_epoch_that_is_not_there(cache):
    with pytest.raises(UserError, match=r'has no epoch 7; there are 0 to 1\. Build it .*--epochs 8'):
        Reader(cache).row(7, 0)
    with pytest.raises(UserError, match='got sample 50 of epoch 0'):
        Reader(cache).row(0, SAMPLES)
    (cache / 'epoch_00001.30-50.records').unlink()
    reader = Reader(cache)
    assert reader.epochs_there() == [0] and reader.complete_epochs == 1
    with pytest.raises(UserError, match='sample 35 of epoch 1, whose shard is not there'):
        reader.row(1, 35)


@pytest.mark.parametrize('name', ['epoch_1.30-20.records', 'epoch_x.records', 'epoch_00001.0-99.records', 'a.records'])
def test_other_files_in_the_folder_are_left_alone(cache, name):
    (cache / name).touch()
    assert Reader(cache).epochs_there() == [0, 1]


def test_a_full_disk_keeps_what_was_written(cache, monkeypatch):
    shard, write, calls = Shard(2, 0, SAMPLES), os.pwrite, []

    def full(*args):
        calls.append(args)
        if len(calls) > 1:
            raise OSError(28, 'No space left on device')
        return write(*args)

    with Writer(cache, header(), shard) as writer:
        monkeypatch.setattr(os, 'pwrite', full)
        writer.write(np.arange(10), ROWS[:10])
        with pytest.raises(UserError, match='cannot write .*: No space left on device. Make room and run the same'):
            writer.write(np.arange(10, 20), ROWS[10:20])
    monkeypatch.undo()
    with Writer(cache, header(), shard) as writer:
        assert writer.missing.tolist() == list(range(10, SAMPLES))


def test_counts_of_the_top_1_lie_in_the_head(cache):
    assert Shard(0, 0, SAMPLES).counts(cache / 'epoch_00000.records') == (50, 50)
    assert Shard(1, 0, 30).counts(cache / 'epoch_00001.0-30.records') == (30, 30)
