//! What all figures share: font, colours, markers, a frame with title and legend.

use plotters::coord::Shift;
use plotters::prelude::{Circle, DrawingArea, DrawingBackend, PathElement, Polygon, RGBColor, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoTextStyle, ShapeStyle, TextStyle};

/// Font stack of the SVG files. The same name is registered with plotters for DejaVu Sans, which
/// measures the text and draws it in the PNG files.
pub const FONT: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// Okabe and Ito's colours, which people with any colour vision tell apart; yellow and black are left out
/// (pale on white; the axes' colour).
pub const SERIES_COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Text.
pub const INK: RGBColor = RGBColor(32, 33, 36);
/// Secondary text.
pub const FAINT: RGBColor = RGBColor(95, 99, 104);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(224, 226, 230);

/// Colour of step `index` of `count` from the viridis scale (without its palest end), for ordered series.
pub fn viridis(index: usize, count: usize) -> RGBColor {
    const STOPS: [(f64, f64, f64); 6] = [
        (68.0, 1.0, 84.0),
        (65.0, 68.0, 135.0),
        (42.0, 120.0, 142.0),
        (34.0, 168.0, 132.0),
        (122.0, 209.0, 81.0),
        (194.0, 223.0, 35.0),
    ];
    let position = if count < 2 { 0.0 } else { index as f64 / (count - 1) as f64 * (STOPS.len() - 1) as f64 };
    let lower = (position as usize).min(STOPS.len() - 2);
    let (from, to, share) = (STOPS[lower], STOPS[lower + 1], position - lower as f64);
    let mix = |from: f64, to: f64| (from + (to - from) * share).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// A drawing that fails says why in words; the backend's error types differ.
pub type Drawn = Result<(), String>;

/// Words of a drawing error.
pub fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Something to draw, on any backend.
pub trait Plot {
    /// Width and height of the SVG in pixels.
    fn size(&self) -> (u32, u32);
    /// Draws on an empty white canvas of that size.
    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn;
}

/// Shape of a point's marker; with the colour it tells series apart, so that neither has to do it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// No marker: a plain line.
    None,
    /// Filled circle.
    Circle,
    /// Filled triangle.
    Triangle,
    /// Filled square.
    Square,
    /// Filled diamond.
    Diamond,
    /// A ring, larger than the others, drawn round one of them.
    Ring,
    /// A filled box in place of a line, for bars and maps.
    Box,
}

/// Markers in the order that series take them.
pub const SERIES_MARKERS: [Marker; 4] = [Marker::Circle, Marker::Triangle, Marker::Square, Marker::Diamond];

/// One entry of a legend.
#[derive(Clone, Debug)]
pub struct LegendEntry {
    /// What the series is.
    pub label: String,
    /// Its colour.
    pub colour: RGBColor,
    /// Its marker.
    pub marker: Marker,
    /// Width of the line that joins its points; 0 for none.
    pub line: u32,
}

/// Who sets the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lettering {
    /// The program that shows the SVG.
    Viewer,
    /// plotters, whose lines stand higher than a viewer's by an eighth of the size.
    Pixels,
}

/// A drawing area in pixels and the scale at which it is drawn.
pub struct Canvas<B: DrawingBackend> {
    /// The whole picture.
    pub root: DrawingArea<B, Shift>,
    scale: u32,
    lower: f64,
}

impl<B: DrawingBackend> Canvas<B> {
    /// A canvas at `scale` pixels per unit.
    pub fn new(root: DrawingArea<B, Shift>, scale: u32, lettering: Lettering) -> Self {
        let lower = if lettering == Lettering::Pixels { 0.12 } else { 0.0 };
        Self { root, scale, lower }
    }

    /// A length of the SVG in this canvas' pixels.
    pub fn px(&self, length: i32) -> i32 {
        length * self.scale as i32
    }

    /// A stroke or a size, as [`Canvas::px`].
    pub fn width(&self, length: u32) -> u32 {
        length * self.scale
    }

    /// Text of this size and colour, anchored at its left or right end or its middle, vertically centred.
    pub fn text(&self, size: i32, colour: RGBColor, anchor: HPos) -> TextStyle<'static> {
        let style = (FONT, self.px(size)).into_text_style(&self.root).pos(Pos::new(anchor, VPos::Center));
        TextStyle { color: colour.to_backend_color(), ..style }
    }

    /// Writes one line of text.
    pub fn write(&self, text: &str, at: (i32, i32), style: &TextStyle<'static>) -> Drawn {
        let at = (at.0, at.1 + (self.lower * style.font.get_size()).round() as i32);
        self.root.draw(&Text::new(text.to_owned(), at, style.clone())).map_err(words)
    }

    /// Width of a text in this canvas' pixels.
    pub fn measure(&self, text: &str, style: &TextStyle<'_>) -> i32 {
        self.root.estimate_text_size(text, style).map_or(0, |(width, _)| width as i32)
    }

    /// Breaks a text into lines of at most `width` pixels, at spaces; a longer word is a line of its own.
    pub fn wrap(&self, text: &str, style: &TextStyle<'_>, width: i32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.measure(&format!("{line} {word}"), style) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }

    /// The text, or its end behind an ellipsis where it is wider than `width`.
    pub fn shorten(&self, text: &str, style: &TextStyle<'_>, width: i32) -> String {
        let mut shortened = text.to_owned();
        let mut letters = text.chars();
        while self.measure(&shortened, style) > width && letters.next().is_some() {
            shortened = format!("…{}", letters.as_str());
        }
        shortened
    }

    /// Title and subtitle on top, footer below, the legend in a strip of its own at the right, where it
    /// can't cover data; returns the area left for the plot.
    pub fn frame(
        &self,
        title: &str,
        subtitle: &str,
        legend: &[LegendEntry],
    ) -> Result<DrawingArea<B, Shift>, String> {
        let (width, height) = (self.root.dim_in_pixel().0 as i32, self.root.dim_in_pixel().1 as i32);
        let style = self.text(25, INK, HPos::Left);
        let lines = self.wrap(title, &style, width - self.px(48));
        for (index, line) in lines.iter().enumerate() {
            self.write(line, (self.px(24), self.px(32 + 30 * index as i32)), &style)?;
        }
        self.write(super::NOTICE, (self.px(24), height - self.px(18)), &self.text(15, FAINT, HPos::Left))?;
        let mut top = self.px(28 + 30 * lines.len() as i32);
        if !subtitle.is_empty() {
            self.write(subtitle, (self.px(24), top + self.px(2)), &self.text(17, FAINT, HPos::Left))?;
            top += self.px(26);
        }
        let strip = if legend.is_empty() { self.px(30) } else { self.px(300) };
        let mut y = top + self.px(24);
        let style = self.text(17, INK, HPos::Left);
        for entry in legend {
            let x = width - strip + self.px(16);
            self.legend_mark(entry, (x, y))?;
            for line in self.wrap(&entry.label, &style, strip - self.px(16 + 44 + 12)) {
                self.write(&line, (x + self.px(44), y), &style)?;
                y += self.px(21);
            }
            y += self.px(9);
        }
        Ok(self.root.clone().margin(top, self.px(38), self.px(16), strip))
    }

    fn legend_mark(&self, entry: &LegendEntry, (x, y): (i32, i32)) -> Drawn {
        if entry.line > 0 {
            let stroke = entry.colour.stroke_width(self.width(entry.line));
            self.root.draw(&PathElement::new([(x, y), (x + self.px(32), y)], stroke)).map_err(words)?;
        }
        self.mark((x + self.px(16), y), entry.marker, entry.colour)
    }

    /// Draws a marker at a pixel.
    pub fn mark(&self, (x, y): (i32, i32), marker: Marker, colour: RGBColor) -> Drawn {
        let root = &self.root;
        let polygon = |points: &[(i32, i32)]| {
            let points: Vec<_> = points.iter().map(|(dx, dy)| (x + self.px(*dx), y + self.px(*dy))).collect();
            root.draw(&Polygon::new(points, colour.filled())).map_err(words)
        };
        match marker {
            Marker::None => Ok(()),
            Marker::Circle => root.draw(&Circle::new((x, y), self.px(5), colour.filled())).map_err(words),
            Marker::Triangle => polygon(&[(0, -7), (6, 5), (-6, 5)]),
            Marker::Square => polygon(&[(-5, -5), (5, -5), (5, 5), (-5, 5)]),
            Marker::Diamond => polygon(&[(0, -7), (7, 0), (0, 7), (-7, 0)]),
            Marker::Ring => {
                let stroke: ShapeStyle = colour.stroke_width(self.width(2));
                root.draw(&Circle::new((x, y), self.px(11), stroke)).map_err(words)
            }
            Marker::Box => {
                let corners = [(x - self.px(14), y - self.px(7)), (x + self.px(14), y + self.px(7))];
                root.draw(&Rectangle::new(corners, colour.filled())).map_err(words)
            }
        }
    }
}
