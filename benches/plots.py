"""Small plots as SVG: bars, and lines over a logarithmic or another axis.

They have a white ground, so that they can be read in a page of any colour.
"""

import html
import math

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-size: 14px; font-weight: 600 }
  .group { font-weight: 600 } .small { font-size: 11px } .end { text-anchor: end } .middle { text-anchor: middle }
  .own { fill: #2a6fbb } .auto { fill: #0a8754 } .peer { fill: #999 } .grid { stroke: #e2e2e2 } .axis { stroke: #888 }
"""
# Of lines; ours is always the first, and thicker.
COLOURS = ["#0a8754", "#2a6fbb", "#c2571a", "#7d4bb5", "#b8870b", "#c03a6b", "#4d8c9c", "#777777"]


def picture(title, width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
            f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n"
            f'<rect width="{width}" height="{height}" fill="#fff"/>\n'
            f'<text class="title" x="8" y="18">{html.escape(title)}</text>\n' + "\n".join(parts) + "\n</svg>\n")


def text(x, y, content, classes=""):
    return f'<text class="{classes}" x="{x:.0f}" y="{y:.0f}">{html.escape(content)}</text>'


def short(value):
    """A number as one would say it."""
    if value >= 1e6 and value % 1e5 == 0:
        return f"{value / 1e6:g} M"
    if value >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def bars(title, groups, unit="", logarithmic=False, apart=False):
    """Horizontal bars: groups of (heading, [(label, value, kind)]); kind is own, auto or peer. Groups
    that are measured in different units, and say so in their headings, have scales `apart`."""
    left, width, line = 130, 430, 19
    every = [value for _, rows in groups for _, value, _ in rows]
    parts, y = [], 46 if unit else 28
    for heading, rows in groups:
        values = [value for _, value, _ in rows] if apart else every
        low, high = min(values) / 2, max(values)
        if heading:
            parts.append(text(8, y + 12, heading, "group"))
            y += line + 2
        for label, value, kind in rows:
            share = math.log(value / low) / math.log(high / low) if logarithmic else value / high
            length = max(1, round(share * width))
            parts.append(text(left - 8, y + 12, label, "end"))
            parts.append(f'<rect class="{kind}" x="{left}" y="{y + 1}" width="{length}" height="{line - 5}" rx="2"/>')
            parts.append(text(left + length + 6, y + 12, short(value)))
            y += line
        y += 10
    if unit:
        parts.insert(0, text(8, 35, f"{unit}, logarithmic" if logarithmic else unit))
    return picture(title, left + width + 90, y, parts)


def lines(title, x_label, y_label, x_ticks, series, y_logarithmic=False):
    """Lines: series of (label, [(position, value)]), the position being one of x_ticks, [(position, label)]."""
    left, top, width, height, right = 58, 52, 400, 250, 150
    values = [value for _, points in series for _, value in points if value > 0]
    first, last = x_ticks[0][0], x_ticks[-1][0]
    if y_logarithmic:
        low, high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values) * 1.01))
        y_ticks = [low * 10 ** step for step in range(round(math.log10(high / low)) + 1)]
    else:
        step = 10 ** math.floor(math.log10(max(values)))
        step = next(step * part for part in (0.2, 0.5, 1, 2) if max(values) / (step * part) <= 6)
        low, high = 0, step * math.ceil(max(values) / step * 1.02)
        y_ticks = [step * number for number in range(round(high / step) + 1)]

    def x_of(position):
        return left + (position - first) / (last - first) * width

    def y_of(value):
        share = math.log(max(value, low) / low) / math.log(high / low) if y_logarithmic else value / high
        return top + height - share * height

    parts = [text(8, 38, y_label, "small")]
    for tick in y_ticks:
        y = y_of(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(left - 6, y + 4, f"{tick:g}" if tick < 1e4 else short(tick), "small end"))
    parts.append(f'<line class="axis" x1="{left}" x2="{left + width}" y1="{top + height}" y2="{top + height}"/>')
    for position, label in x_ticks:
        x = x_of(position)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{top + height}" y2="{top + height + 4}"/>')
        parts.append(text(x, top + height + 18, label, "small middle"))
    parts.append(text(left + width / 2, top + height + 36, x_label, "small middle"))
    # The names stand at the ends of their lines, and are moved where they would lie upon each other.
    ends = sorted((y_of(points[-1][1]), number) for number, (_, points) in enumerate(series))
    places, lowest = {}, -math.inf
    for y, number in ends:
        lowest = places[number] = max(y, lowest + 14)
    over = max(0, lowest - (top + height))
    for number, (label, points) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x_of(position):.1f},{y_of(value):.1f}" for position, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{2.5 if number == 0 else 1.5}"/>')
        if len(points) < 8:
            parts += [f'<circle cx="{x_of(position):.1f}" cy="{y_of(value):.1f}" r="{3 if number == 0 else 2}" fill="{colour}"/>'
                      for position, value in points]
        y = places[number] - over
        parts.append(f'<text class="small" x="{left + width + 8}" y="{y + 4:.1f}" style="fill: {colour}">{html.escape(label)}</text>')
    return picture(title, left + width + right, top + height + 46, parts)
