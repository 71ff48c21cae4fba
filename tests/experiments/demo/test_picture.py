"""The demo's picture."""
import torch
from PIL import Image

from mmkd.experiments.demo import picture


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, 'get_text'))]


def test_it_says_what_the_models_say(tmp_path, monkeypatch):
    figures = []
    save = picture.Figure.savefig
    monkeypatch.setattr(picture.Figure, 'savefig', lambda self, *a, **k: (figures.append(self), save(self, *a, **k)))
    scores = torch.tensor([[0.75] + [0.25 / 9] * 9, [0.6] + [0.4 / 9] * 9])
    picture.draw(tmp_path / 'demo.png', 255 * torch.rand(2, 3, 32, 32), torch.tensor([0, 7]),
                 {'the teacher': scores, 'the student': scores.flip(1)}, {'the teacher': 97.64, 'the student': 3.2},
                 'a title', 'A note.')
    said = texts(figures[0])
    assert {'true digit', '7', 'a title', '97.6 %', '3.2 %', 'the teacher', 'the student'} <= set(said)
    assert {'0, 75 %', '(0, 60 %)', '(9, 75 %)', '(9, 60 %)'} <= set(said)  # wrong ones in brackets
    with Image.open(tmp_path / 'demo.png') as image:
        assert image.width > 1000 and len(image.convert('RGB').getcolors(1 << 24)) > 50
