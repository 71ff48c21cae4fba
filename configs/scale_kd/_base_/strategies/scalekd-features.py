# ScaleKD without its KD on the logits. beta is 0.6 in the paper. Its alpha is 1 in a unit that it leaves open: 0.14 is
# the sum of the authors' 0.08 and 0.06, for squares summed over C, H and W. Recipes set the heads of the projectors
model = dict(
    type='mmkd.Distiller',
    task_weight=1.0,
    terms=dict(
        scalekd=dict(
            loss=dict(type='mmkd.ScaleKDLoss', beta=0.6),
            student=['stage3', 'stage4'],
            teacher=['stage3', 'stage4'],
            weight=0.14)))
