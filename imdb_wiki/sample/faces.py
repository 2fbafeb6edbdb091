"""Draws a head: every part of it, from what lies behind to what lies before.

Lengths are in the head units of `imdb_wiki.sample.canvas`: chin at y = +1, crown at y = -1. Which
numbers make a face old or young, a man's or a woman's, is in `imdb_wiki.sample.people`.
"""

import numpy as np

from imdb_wiki.labels import MALE
from imdb_wiki.sample.canvas import Canvas, mirrored, mix, muted, oval, palette, smooth, symmetric
from imdb_wiki.sample.people import Person, look_of

_METALS = palette("f2d479", "e6e8ee", "c0343c")
_GREY, _WHITE, _INK = palette("d6d5d2", "fbf8f2", "2a1f1d")
_LIPSTICK, _BLUSH = palette("b8323f", "e8503f")
_SHORT = 0.2  # hair that ends above this stays above the ears
# A quadratic Bézier curve's weights of its three points, at six steps.
_ARC = np.array([[(1 - t) ** 2, 2 * t * (1 - t), t**2] for t in np.linspace(0, 1, 6)])


def draw_head(canvas: Canvas, person: Person, age_years: int, rng: np.random.Generator) -> None:
    """Draws a head and shoulders, from what lies behind to what lies before.

    Args:
        canvas: is drawn on, in the pose it has.
        person: who is drawn.
        age_years: the age to show, 0 or more.
        rng: source of all that differs between photos of that age.
    """
    look = look_of(person, age_years, rng)
    _draw_back_hair(canvas, look)
    _draw_neck_and_clothes(canvas, look, rng)
    _draw_ears(canvas, look)
    _draw_skin(canvas, look, rng)
    _draw_wrinkles(canvas, look, rng)
    _draw_nose(canvas, look)
    _draw_beard(canvas, look, rng)
    _draw_mouth(canvas, look, rng)
    _draw_eyes(canvas, look, rng)
    _draw_brows(canvas, look, rng)
    _draw_hair(canvas, look, rng)
    _draw_trinkets(canvas, look, rng)
    if age_years >= person.glasses_from_years:
        _draw_glasses(canvas, look, rng)


def _outline(look, angles):
    """The face's edge at these angles from the crown: a man's jaw is squarer, an old one sags."""
    jaw = look.person.leans["jaw"] * (1 - 0.4 * look.childhood)
    sagging = look.ramp("sagging", 30, 90)
    squareness = min(max(2.4 + 0.6 * jaw + 0.7 * sagging, 1.7), 4)
    taper = 0.15 - 0.11 * jaw - 0.1 * look.childhood - 0.08 * sagging
    y = -np.cos(angles)
    x = np.sqrt(1 - np.abs(y) ** np.where(y < 0, 2, squareness)) * (1 - taper * np.maximum(y, 0))
    return np.stack([np.sign(np.sin(angles)) * x * look.half_width, y], axis=1)


def _draw_back_hair(canvas, look):
    if look.hair_length > _SHORT:
        wide, end = look.half_width + 0.18 + 0.12 * look.person.curls, look.hair_length
        edge = [(0, -1), (wide * 0.9, -0.5), (wide * 1.05, 0.2), (wide, end), (0.4, end + 0.1)]
        canvas.paint(symmetric(*edge), look.hair * 0.72)


def _draw_neck_and_clothes(canvas, look, rng):
    skin, grown = look.skin, 1 - look.childhood
    broad = look.person.leans["neck"] * (0.4 + 0.6 * grown)
    neck, shoulders = 0.31 + 0.12 * grown + 0.08 * broad, 0.85 + 0.4 * grown + 0.25 * broad
    canvas.paint(symmetric((neck, 0.6), (neck * 1.15, 1.8)), skin * 0.86)
    canvas.paint(oval(0, 0.92, neck * 1.2, 0.22), skin * 0.6, 0.5, softness=0.12)
    folds = [symmetric((0, y), (neck, y - 0.04)) for y in (1.12, 1.2, 1.28)]
    canvas.paint(folds, skin * 0.6, 0.6 * look.ramp("sagging", 40, 85), width=0.02)
    cloth = muted(rng)
    edge = [(0, 1.42), (neck, 1.26), (shoulders, 1.5), (shoulders * 1.2, 1.75), (2, 3)]
    canvas.paint(symmetric(*edge), cloth)
    style = look.person.leans["clothes"] + rng.normal(0, 0.4)
    if style > 0:  # a shirt's collar, and for the formal a tie
        collar = mirrored([(neck, 1.16), (neck * 1.5, 1.54), (0.1, 1.78), (0.02, 1.42)])
        canvas.paint(collar, mix(cloth, _WHITE, 0.8))
        if style > 0.7:
            canvas.paint(symmetric((0.09, 1.45), (0.16, 3)), muted(rng) * 0.7)
    else:  # a round neckline, and for the fine a necklace
        depth = 1.62 - 0.08 * max(style, -2)
        bare = symmetric((0, depth), (neck * 1.1, depth - 0.1), (neck * 1.7, 1.3))
        canvas.paint(bare, skin * 0.86)
        if style < -1:
            canvas.paint(symmetric((0, depth - 0.05), (neck, 1.3)), _METALS[0], width=0.035)


def _draw_ears(canvas, look):
    x, y = look.half_width + 0.02, look.eye_y + 0.16
    tall = 0.16 + 0.07 * look.ramp("growth", 15, 95)
    canvas.paint(mirrored(oval(x, y, 0.11, tall)), look.skin * 0.9)
    canvas.paint(mirrored(oval(x + 0.02, y, 0.05, tall * 0.6)), look.skin * 0.72, 0.8)


def _draw_skin(canvas, look, rng):
    skin, hollow = look.skin, look.ramp("sagging", 35, 90)
    edge = _outline(look, np.linspace(0, 2 * np.pi, 64))
    canvas.paint(edge, skin * 0.84)
    canvas.paint(0.88 * edge, skin * 1.03, softness=0.2)
    canvas.paint(edge, skin * 0.6, 0.5, width=0.015)
    cheek, rosy = oval(0.42, look.nose_y + 0.05, 0.2, 0.15), 1 - look.ramp("skin", 2, 60)
    canvas.paint(mirrored(cheek), mix(skin, _BLUSH, 0.5), 0.65 * rosy, softness=0.15)
    hollow_cheek, jowl = oval(0.5, look.mouth_y - 0.08, 0.1, 0.2), oval(0.36, 0.86, 0.14, 0.1)
    canvas.paint(mirrored(hollow_cheek), skin * 0.7, 0.65 * hollow, softness=0.15)
    canvas.paint(mirrored(jowl), skin * 0.72, 0.5 * hollow, softness=0.1)
    socket = oval(look.eye_x, look.eye_y, 0.22, 0.14)
    canvas.paint(mirrored(socket), skin * 0.75, 0.15 + 0.4 * hollow, softness=0.12)
    spots = rng.uniform((-0.6, -0.8), (0.6, 0.7), (rng.poisson(18 * look.ramp("skin", 45, 100)), 2))
    spots = [oval(x, y, *rng.uniform(0.015, 0.045, 2), corners=10) for x, y in spots]
    canvas.paint(spots, skin * (0.55, 0.66, 0.75), 0.6)
    count = int(look.person.freckles * (1 - look.ramp("skin", 12, 50)))
    freckles = rng.normal((0, look.nose_y - 0.1), (0.3, 0.08), (count, 2))
    canvas.paint([oval(x, y, 0.014, 0.014, 8) for x, y in freckles], skin * 0.7, 0.7)


def _draw_wrinkles(canvas, look, rng):
    deep, folded = look.ramp("wrinkles", 20, 92), look.ramp("folds", 15, 90)
    eye_x, eye_y, mouth_y, nose_y = look.eye_x, look.eye_y, look.mouth_y, look.nose_y

    def crease(lines, strength, width=0.028):
        canvas.paint(lines, look.skin * (0.42, 0.44, 0.5), min(0.95, strength), width=width)

    rows = [(-0.42 - 0.085 * k + rng.normal(0, 0.01), rng.uniform(0.25, 0.4)) for k in range(5)]
    forehead = [symmetric((0, y), (half / 2, y - 0.03), (half, y + 0.02)) for y, half in rows]
    crease(forehead[: round(1 + 4 * deep)], deep)
    corner = eye_x + look.eye_size + 0.03
    for spread in np.linspace(-0.1, 0.12, round(2 + 2 * deep)):  # crow's feet
        line = [(corner, eye_y + spread / 3), (corner + 0.14, eye_y + spread)]
        crease(mirrored(line), deep, 0.022)
    crease(mirrored([(0.07, eye_y - 0.05), (0.06, eye_y - 0.2)]), deep)  # from frowning
    bag_y = eye_y + look.eye_size * 0.75
    bag = [(eye_x - 0.12, bag_y), (eye_x, bag_y + 0.07), (eye_x + 0.13, bag_y + 0.01)]
    crease(mirrored(smooth(bag)), folded)
    smile_line = [(0.15, nose_y - 0.05), (0.27, nose_y + 0.12), (0.33, mouth_y + 0.02)]
    crease(mirrored(smooth(smile_line)), folded * 1.2, 0.036)
    crease(mirrored([(0.27, mouth_y + 0.06), (0.29, mouth_y + 0.22)]), (folded - 0.4) * 1.4)


def _draw_nose(canvas, look):
    skin, y = look.skin, look.nose_y
    half = 0.10 - 0.015 * look.childhood + 0.06 * look.ramp("growth", 12, 95)
    bridge = [(-0.02, look.eye_y), (half * 0.9, y), (0.02, y)]
    canvas.paint(bridge, skin * 0.75, 0.45 - 0.27 * look.childhood, softness=0.05)
    canvas.paint(oval(0, y - 0.02, half, half * 0.75), mix(skin, _BLUSH, 0.15), 0.6, softness=0.06)
    tip = symmetric((0, y + 0.07), (half * 0.7, y + 0.05), (half, y - 0.02))
    canvas.paint(tip, skin * 0.55, 0.8, width=0.02)
    canvas.paint(mirrored(oval(half * 0.5, y + 0.04, 0.03, 0.016, 10)), skin * 0.35, 0.8)


def _draw_beard(canvas, look, rng):
    person, hair, lip_y = look.person, look.hair * 0.85, look.mouth_y - 0.02
    if person.gender != MALE or look.years["shape"] < 18 or rng.random() < 0.1:
        return
    lip = [(0, look.nose_y + 0.09), (0.2, look.nose_y + 0.12), (0.3, lip_y)]
    cheek = symmetric(*lip, (0.5, 0.42), (look.half_width * 0.9, 0.2))
    beard = np.concatenate([1.03 * _outline(look, np.linspace(0.55, 1.45, 30) * np.pi), cheek])
    if person.beard == "full":
        canvas.paint(beard, hair, 0.93, softness=0.04)
        roots = rng.uniform((-0.55, 0.68), (0.55, 0.98), (40, 2))
        canvas.paint(np.stack([roots, roots * (1.05, 1.08)], axis=1), hair * 1.25, 0.8, width=0.012)
    elif person.beard == "stubble":
        canvas.paint(beard, hair * 0.7, 0.55, softness=0.08)
    if person.beard in ("full", "moustache"):
        moustache = symmetric(*lip, (0.12, lip_y), (0, lip_y - 0.02))
        canvas.paint(moustache, hair * 0.9, 0.95, softness=0.02)


def _draw_mouth(canvas, look, rng):
    skin, y = look.skin, look.mouth_y
    feminine = min(max(0.5 - 0.5 * look.person.leans["lips"], 0), 1)
    full = (0.025 + 0.065 * feminine) * (1.15 - 0.55 * look.ramp("lips", 12, 90))
    painted = 0.9 * feminine * look.ramp("lips", 10, 20) * rng.uniform(0.7, 1)
    colour = mix(mix(skin * 0.8, _LIPSTICK, 0.3), _LIPSTICK * rng.uniform(0.7, 1.1), painted)
    smile = rng.normal(0.4, 0.35)
    half = 0.22 - 0.05 * look.childhood + 0.04 * smile
    corner_y = y - 0.09 * smile + 0.03 * look.ramp("sagging", 40, 90)
    gap = max(0.0, rng.normal(0, 0.05)) if smile > 0.3 else 0.0
    upper = [(0, y - full * 0.8), (half / 2, y - full), (half, corner_y)]
    lower = [(half / 2, y + full + gap), (0, y + full * 1.5 + gap)]
    canvas.paint(symmetric(*upper, *lower), colour, 0.95)
    if gap > 0.015:  # teeth
        teeth = [(0, y), (half * 0.85, corner_y + 0.01), (0, y + gap * 1.6)]
        canvas.paint(symmetric(*teeth), _WHITE * 0.95)
    seam = symmetric((0, y + 0.01), (half / 2, y), (half, corner_y))
    canvas.paint(seam, skin * 0.35, 0.85, width=0.018)


def _draw_eyes(canvas, look, rng):
    person, skin, x, y, size = look.person, look.skin, look.eye_x, look.eye_y, look.eye_size
    droop, lashes = look.ramp("sagging", 25, 90), rng.normal(-person.leans["lashes"], 0.2)
    high = size * (0.62 + 0.12 * look.childhood - 0.3 * droop) * rng.uniform(0.85, 1.1)
    inner, outer = (x - size, y + 0.015), (x + size, y - 0.01 + 0.03 * droop)
    near, far = x - size * 0.4, x + size * 0.4
    upper = np.array([inner, (near, y - high), (far, y - high * (1 - 0.3 * droop)), outer])
    lower = [outer, (far, y + high * 0.75), (near, y + high * 0.75), inner]
    makeup = 0.8 * min(max(lashes, 0), 1) * look.ramp("lips", 12, 20)
    shadow = oval(x, y - high, size * 1.15, 0.09)
    canvas.paint(mirrored(shadow), rng.uniform(40, 160, 3), makeup, softness=0.06)
    eyeball = np.concatenate([smooth(upper), smooth(lower)])
    canvas.paint(mirrored(eyeball), _WHITE * (1 - 0.1 * droop))
    radius, gaze = min(0.085 + 0.02 * look.childhood, high * 0.95), rng.normal(0, 0.02, 2)
    canvas.paint(mirrored(oval(x, y, radius, radius)) + gaze, person.iris)
    canvas.paint(mirrored(oval(x, y, radius / 2, radius / 2, 14)) + gaze, _INK)
    canvas.paint(mirrored(oval(x, y, 0.018, 0.018, 10)) + gaze + (0.03, -0.03), _WHITE)
    lid_width = 0.02 + 0.02 * min(max(lashes, 0), 2)
    canvas.paint(mirrored(smooth(upper)), skin * 0.35, 0.95, width=lid_width)
    canvas.paint(mirrored(smooth(lower)), skin * 0.35, 0.5, width=0.012)
    fold = smooth(upper - (0, 0.05 - 0.04 * droop))
    canvas.paint(mirrored(fold), skin * 0.6, 0.35 + 0.5 * droop, width=0.016)
    if lashes > 0.2:
        roots = [(x + size * out, y - high * (1.1 - 0.9 * out**2)) for out in (0.35, 0.7, 1.0)]
        tips = np.add(roots, (0.05, -0.03 - 0.025 * min(lashes, 2)))
        for lash in np.stack([roots, tips], axis=1):
            canvas.paint(mirrored(lash), _INK, 0.9, width=0.016)


def _draw_brows(canvas, look, rng):
    lean, x = look.person.leans["brows"], look.eye_x
    y = look.eye_y - 0.2 - 0.05 * look.childhood + 0.02 * lean + rng.normal(0, 0.01)
    brow = [(x - 0.15, y + 0.02), (x + 0.03, y - 0.05 + 0.02 * lean), (x + 0.19, y + 0.03)]
    thick = min(max(0.08 + 0.06 * lean, 0.02), 0.18) * (1 - 0.3 * look.childhood)
    hair = mix(look.hair * 0.75, look.skin, 0.2 * look.childhood)
    canvas.paint(mirrored(smooth(brow)), hair, 0.95, width=thick)


def _draw_hair(canvas, look, rng):
    """The hair around the face: a band between the hairline and the hair's outer edge."""
    person, hair = look.person, look.hair
    downy = 1 - look.ramp("hairline", 0, 3)  # a baby has little hair yet
    bald = max(1.1 * person.balding * look.ramp("hairline", 25, 75), 0.6 * downy)
    side = np.linspace(-1, 1, 41)  # from temple to temple; distances from the face's middle follow
    fringe = min(max(0.25 - 0.25 * person.leans["hair"], 0), 0.25)
    fringe *= 1 - look.ramp("hairline", 12, 60)
    hairline = 0.66 + 0.3 * side**2 - fringe * np.exp(-8 * (side - person.parting / 2) ** 2)
    # It recedes at the temples first and from the crown last.
    temples, crown = np.exp(-18 * (np.abs(side) - 0.42) ** 2), np.exp(-6 * side**2)
    hairline = np.minimum(hairline + 0.5 * bald * (temples + 0.8 * bald * crown), 1)
    volume = 0.1 + 0.07 * person.curls - 0.03 * person.leans["hair"]
    volume *= (1 - 0.6 * downy) * (1 - 0.3 * look.ramp("hairline", 40, 90))
    thickness = volume * (1 - np.minimum(bald * np.exp(-3 * side**2), 1)) * np.cos(1.3 * side)
    waves = 0.03 * person.curls * np.sin(1.7 * np.arange(len(side)))
    rim = _outline(look, side * np.pi * (0.62 if look.hair_length < _SHORT else 0.55))
    inner, outer = rim * hairline[:, None], rim * (1.01 + thickness + waves)[:, None]
    canvas.paint(np.concatenate([outer, inner[::-1]]), hair, 1 - 0.5 * downy)
    if look.hair_length > _SHORT:
        _draw_locks(canvas, look)
    hairy = np.flatnonzero(hairline < 0.95)
    at = rng.choice(hairy, min(22, len(hairy)))
    bend = (inner[at] + outer[at]) / 2 + (0.12 * person.parting, 0)
    strands = _ARC @ np.stack([outer[at] * 0.99, bend, inner[at] * 1.02], axis=1)
    is_grey = rng.random(len(strands)) < look.ramp("grey", 25, 75)
    canvas.paint(strands[is_grey], _GREY, 0.75, width=0.014)
    canvas.paint(strands[~is_grey], hair * rng.choice([0.72, 1.25]), 0.75, width=0.014)


def _draw_locks(canvas, look):
    """Long hair beside the face."""
    x, end = look.half_width, look.hair_length
    outside = [(x * 0.86, -0.5), (x + 0.16, -0.35), (x + 0.2, 0.2), (x + 0.17, end)]
    inside = [(x - 0.02, end - 0.05), (x * 0.98, 0.2), (x * 0.86, -0.5)]
    canvas.paint(mirrored(smooth(outside + inside)), look.hair)
    strand = smooth([(x + 0.04, -0.3), (x + 0.08, 0.2), (x + 0.05, end - 0.08)])
    canvas.paint(mirrored(strand), look.hair * 0.75, 0.7, width=0.018)


def _draw_trinkets(canvas, look, rng):
    lean = look.person.leans["trinkets"] + rng.normal(0, 0.3)
    if lean > -0.3:
        return
    if look.years["shape"] > 8:
        earring = oval(look.half_width + 0.05, look.eye_y + 0.46, 0.07, 0.1, 14)
        canvas.paint(mirrored(earring), _METALS[rng.integers(len(_METALS))])
    else:  # a small girl's bow
        bow, colour = np.array([np.sign(look.person.parting) * 0.38, -0.9]), muted(rng)
        canvas.paint(mirrored([(0, 0), (0.36, -0.23), (0.36, 0.23)]) + bow, colour)
        canvas.paint(oval(bow[0], bow[1], 0.1, 0.1, 14), colour * 0.7)


def _draw_glasses(canvas, look, rng):
    x, y, frame = look.eye_x, look.eye_y + 0.02, muted(rng) * 0.45
    wide, high, width = rng.uniform((0.21, 0.16, 0.02), (0.27, 0.22, 0.035))
    rims = mirrored(oval(x, y, wide, high))
    canvas.paint(rims, _WHITE, 0.12)
    canvas.paint(rims, frame, 0.95, width=width)
    canvas.paint(mirrored([(x + wide, y), (look.half_width, y - 0.03)]), frame, width=width)
    canvas.paint(symmetric((0, y - 0.04), (x - wide, y)), frame, width=width)
