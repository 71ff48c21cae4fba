from mmkd.cache import describe

from .recipes import built


def test_a_cache_tells_what_is_inside(cache):
    text = '\n'.join(describe(cache))
    size = sum(path.stat().st_size for path in cache.glob('*.records'))
    assert '50 an epoch, 2 of 2 epochs are there, seed 0, size [3, 32, 32]' in text
    assert f'{size:,} bytes in 2 files, {size:,} when it is complete' in text
    assert 'all 10 logits in fp32' in text and 'top-1' in text and 'KDLoss:       exactly' in text


def test_it_tells_which_losses_it_serves(tmp_path):
    lines = {line.partition(':')[0]: line for line in describe(built(tmp_path, topk=3, epochs=1))}
    assert 'not' in lines['DISTLoss'] and '--topk all' in lines['DISTLoss']
    assert 'approximately' in lines['NKDLoss'] or 'not' in lines['NKDLoss']
