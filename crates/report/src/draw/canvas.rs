//! What all figures share: text, markers, a frame with title and legend, and the step to SVG.

use fastersam_records::NOTICE;
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::prelude::{Circle, DrawingArea, IntoDrawingArea, PathElement, Polygon, RGBColor, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, TextStyle};

use super::color::{FAINT, INK, PAPER};
use super::raster::{FONT, text_width};

/// A drawing that fails says why in words.
pub type Drawn = Result<(), String>;

/// A part of the drawing.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Words of a drawing error.
pub fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Something to draw.
pub trait Plot {
    /// Width and height in SVG units.
    fn size(&self) -> (u32, u32);
    /// Draws on an empty white canvas of that size.
    fn draw(&self, canvas: &Canvas<'_>) -> Drawn;
}

/// A plot as SVG text; with the notice at its foot where it stands alone.
///
/// # Errors
/// The drawing library refuses.
pub fn to_svg(plot: &impl Plot, stands_alone: bool) -> Result<String, String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, plot.size()).into_drawing_area();
        root.fill(&PAPER).map_err(words)?;
        let canvas = Canvas { root, stands_alone };
        plot.draw(&canvas)?;
        canvas.root.present().map_err(words)?;
    }
    Ok(svg)
}

/// Shape of a point's marker; with the color it tells series apart, so that neither has to do it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Filled circle.
    Circle,
    /// Filled triangle.
    Triangle,
    /// Filled square.
    Square,
    /// Filled diamond.
    Diamond,
    /// A ring, larger than the others, drawn around one of them.
    Ring,
    /// A filled box in place of a line, for maps.
    Box,
    /// None: the line alone.
    None,
}

/// Markers in the order that series take them.
pub const SERIES_MARKERS: [Marker; 4] = [Marker::Circle, Marker::Triangle, Marker::Square, Marker::Diamond];

/// One entry of a legend.
#[derive(Clone, Debug)]
pub struct LegendEntry {
    /// What the series is.
    pub label: String,
    /// Its color.
    pub color: RGBColor,
    /// Its marker.
    pub marker: Marker,
    /// Width of the line that joins its points; 0 for none.
    pub line: u32,
}

/// Sizes of text, in SVG units.
pub mod size {
    /// Titles.
    pub const TITLE: u32 = 20;
    /// What an axis or a column shows.
    pub const HEADING: u32 = 16;
    /// Everything else.
    pub const TEXT: u32 = 14;
    /// The line at the foot.
    pub const FOOT: u32 = 12;
}

/// A text style of this size and color.
pub fn text_style(size: u32, color: RGBColor) -> TextStyle<'static> {
    // plotters divides by this factor when it writes SVG.
    let font = FontDesc::new(FontFamily::Name(FONT), f64::from(size) * 1.24, FontStyle::Normal);
    TextStyle { color: color.to_backend_color(), ..TextStyle::from(font) }
}

/// Breaks a text into lines of at most `width` SVG units, at spaces; a longer word is a line of its own.
pub fn wrap(text: &str, size: u32, width: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), size) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Space at the left and at the right of titles.
pub const MARGIN: i32 = 24;
/// Width of the strip with the legend.
const LEGEND: i32 = 300;
/// Width of a legend's marks.
const MARK: i32 = 32;

/// The whole drawing.
pub struct Canvas<'a> {
    /// Its area.
    pub root: Area<'a>,
    /// Whether no page around it says what the results are.
    pub stands_alone: bool,
}

impl<'a> Canvas<'a> {
    /// Writes one line of text, vertically centered, with its left or right end or its middle at `x`.
    ///
    /// # Errors
    /// The drawing library refuses.
    pub fn write(&self, text: &str, (x, y): (i32, i32), size: u32, color: RGBColor, anchor: HPos) -> Drawn {
        let style = text_style(size, color).pos(Pos::new(anchor, VPos::Center));
        self.root.draw(&Text::new(text.to_owned(), (x, y), style)).map_err(words)
    }

    /// Writes the notice at the foot of a drawing that stands alone.
    ///
    /// # Errors
    /// The drawing library refuses.
    pub fn notice(&self) -> Drawn {
        if !self.stands_alone {
            return Ok(());
        }
        let height = self.root.dim_in_pixel().1 as i32;
        self.write(NOTICE, (MARGIN, height - 18), size::FOOT, FAINT, HPos::Left)
    }

    /// Title and subtitle on top, the notice at the foot, the legend in a strip of its own at the right, where it
    /// can't cover data; returns the area left for the plot.
    ///
    /// # Errors
    /// The drawing library refuses.
    pub fn frame(&self, title: &str, subtitle: &str, legend: &[LegendEntry]) -> Result<Area<'a>, String> {
        let width = self.root.dim_in_pixel().0 as i32;
        let mut y = 32;
        for (text, size, color, step) in [(title, size::TITLE, INK, 28), (subtitle, size::TEXT, FAINT, 20)] {
            for line in wrap(text, size, width - 2 * MARGIN) {
                self.write(&line, (MARGIN, y), size, color, HPos::Left)?;
                y += step;
            }
        }
        self.notice()?;
        let strip = if legend.is_empty() { 30 } else { LEGEND };
        self.legend(legend, (width - strip + 16, y + 22), strip - 28)?;
        Ok(self.root.clone().margin(y, 38, 16, strip))
    }

    /// Writes a legend, its first entry at `at`; returns where the next one would be.
    ///
    /// # Errors
    /// The drawing library refuses.
    pub fn legend(&self, entries: &[LegendEntry], (x, mut y): (i32, i32), width: i32) -> Result<i32, String> {
        let indent = MARK + 12;
        for entry in entries {
            if entry.line > 0 {
                let stroke = entry.color.stroke_width(entry.line);
                self.root.draw(&PathElement::new([(x, y), (x + MARK, y)], stroke)).map_err(words)?;
            }
            self.mark((x + MARK / 2, y), entry.marker, entry.color)?;
            for line in wrap(&entry.label, size::TEXT, width - indent) {
                self.write(&line, (x + indent, y), size::TEXT, INK, HPos::Left)?;
                y += 19;
            }
            y += 9;
        }
        Ok(y)
    }

    /// Draws a marker.
    ///
    /// # Errors
    /// The drawing library refuses.
    pub fn mark(&self, (x, y): (i32, i32), marker: Marker, color: RGBColor) -> Drawn {
        let root = &self.root;
        let polygon = |points: &[(i32, i32)]| {
            let points: Vec<_> = points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
            root.draw(&Polygon::new(points, color.filled())).map_err(words)
        };
        match marker {
            Marker::Circle => root.draw(&Circle::new((x, y), 5, color.filled())).map_err(words),
            Marker::Triangle => polygon(&[(0, -7), (6, 5), (-6, 5)]),
            Marker::Square => polygon(&[(-5, -5), (5, -5), (5, 5), (-5, 5)]),
            Marker::Diamond => polygon(&[(0, -7), (7, 0), (0, 7), (-7, 0)]),
            Marker::Ring => root.draw(&Circle::new((x, y), 11, color.stroke_width(2))).map_err(words),
            Marker::None => Ok(()),
            Marker::Box => {
                let corners = [(x - 14, y - 7), (x + 14, y + 7)];
                root.draw(&Rectangle::new(corners, color.filled())).map_err(words)
            }
        }
    }
}
