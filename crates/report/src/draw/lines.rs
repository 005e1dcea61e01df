//! Lines and points in one panel or two.

use plotters::prelude::{LineSeries, PathElement, RGBColor};
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, Chart, Drawn as Axes, axes};
use super::canvas::{Area, Canvas, Drawn, LegendEntry, Marker, Plot, SERIES_MARKERS, size, words};
use super::color::{INK, SERIES, mix};
use super::raster::text_width;

/// Markers of a series, at most; between them there is the line alone.
const MAX_MARKERS: usize = 12;
/// Half the length of the line across an error bar's end.
const CAP: i32 = 4;
/// Height of a label, and its distance from its marker.
const LABEL: (i32, i32) = (16, 9);

/// What stands at a point.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// Where the horizontal error bar starts and ends.
    pub x_spread: Option<(f64, f64)>,
    /// Where the vertical error bar starts and ends.
    pub y_spread: Option<(f64, f64)>,
    /// A few words beside the marker; empty for none.
    pub label: String,
}

/// Points of one legend entry, in the order that they are joined.
#[derive(Clone, Debug)]
pub struct Series {
    /// How it is drawn, and what it is called.
    pub entry: LegendEntry,
    /// The points.
    pub points: Vec<(f64, f64)>,
    /// What stands at each of the points; empty for nothing.
    pub details: Vec<Detail>,
}

impl Series {
    /// A series with the marker and color of its place.
    pub fn new(label: String, index: usize, points: Vec<(f64, f64)>) -> Self {
        Self { entry: Self::entry(label, index, SERIES[index % SERIES.len()]), points, details: Vec::new() }
    }

    /// The legend entry of a series with the marker of its place.
    pub fn entry(label: String, index: usize, color: RGBColor) -> LegendEntry {
        LegendEntry { label, color, marker: SERIES_MARKERS[index % SERIES_MARKERS.len()], line: 2 }
    }

    /// A ring around one point, with its own legend entry.
    pub fn ring(label: String, point: (f64, f64)) -> Self {
        let entry = LegendEntry { label, color: INK, marker: Marker::Ring, line: 0 };
        Self { entry, points: vec![point], details: Vec::new() }
    }

    /// The vertical values, the ends of error bars among them.
    pub fn heights(&self) -> impl Iterator<Item = f64> {
        let spreads = self.details.iter().filter_map(|detail| detail.y_spread);
        self.points.iter().map(|point| point.1).chain(spreads.flat_map(|(low, high)| [low, high]))
    }

    /// The horizontal values, likewise.
    pub fn widths(&self) -> impl Iterator<Item = f64> {
        let spreads = self.details.iter().filter_map(|detail| detail.x_spread);
        self.points.iter().map(|point| point.0).chain(spreads.flat_map(|(low, high)| [low, high]))
    }

    /// Every how many points there is a marker.
    fn step(&self) -> usize {
        self.points.len().div_ceil(MAX_MARKERS).max(1)
    }
}

/// One pair of axes with what is drawn on them.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// The series, drawn in order.
    pub series: Vec<Series>,
}

impl Panel {
    fn draw(&self, canvas: &Canvas<'_>, area: &Area<'_>) -> Drawn {
        let mut chart = axes(area, self.x.clone(), self.y.clone(), Axes::Both)?;
        for series in self.series.iter().filter(|series| series.entry.line > 0) {
            let stroke = series.entry.color.stroke_width(series.entry.line);
            chart.draw_series(LineSeries::new(series.points.iter().copied(), stroke)).map_err(words)?;
        }
        for series in &self.series {
            error_bars(series, canvas, &chart)?;
        }
        // Markers last, above every line.
        let mut taken = Vec::new();
        for series in &self.series {
            for point in series.points.iter().step_by(series.step()) {
                let at = chart.backend_coord(point);
                canvas.mark(at, series.entry.marker, series.entry.color)?;
                taken.push(Place { left: at.0 - 6, right: at.0 + 6, top: at.1 - 6, bottom: at.1 + 6 });
            }
        }
        // Labels keep off lines and error bars, too.
        for series in &self.series {
            let points: Vec<(i32, i32)> = series.points.iter().map(|point| chart.backend_coord(point)).collect();
            let joined = points.windows(2).filter(|_| series.entry.line > 0).map(|ends| [ends[0], ends[1]]);
            taken.extend(joined.chain(bars(series, &chart)).flat_map(along));
        }
        let (right, _) = area.get_pixel_range();
        for series in &self.series {
            let labels = series.points.iter().zip(&series.details).step_by(series.step());
            for (point, detail) in labels.filter(|(_, detail)| !detail.label.is_empty()) {
                let place =
                    free(chart.backend_coord(point), text_width(&detail.label, size::FOOT), right.end, &taken);
                let middle = i32::midpoint(place.top, place.bottom);
                // Pale colors are no colors for text.
                let dark = mix(INK, series.entry.color, 0.6);
                canvas.write(&detail.label, (place.left, middle), size::FOOT, dark, HPos::Left)?;
                taken.push(place);
            }
        }
        Ok(())
    }
}

fn error_bars(series: &Series, canvas: &Canvas<'_>, chart: &Chart<'_, '_>) -> Drawn {
    let stroke = series.entry.color.mix(0.55).stroke_width(1);
    for line in bars(series, chart) {
        canvas.root.draw(&PathElement::new(line, stroke)).map_err(words)?;
    }
    Ok(())
}

/// The lines of error bars.
fn bars(series: &Series, chart: &Chart<'_, '_>) -> Vec<[(i32, i32); 2]> {
    let mut lines = Vec::new();
    for (&(x, y), detail) in series.points.iter().zip(&series.details) {
        let ends = |from: (f64, f64), to: (f64, f64)| [chart.backend_coord(&from), chart.backend_coord(&to)];
        if let Some((low, high)) = detail.y_spread {
            let bar = ends((x, low), (x, high));
            lines.push(bar);
            lines.extend(bar.map(|(x, y)| [(x - CAP, y), (x + CAP, y)]));
        }
        if let Some((low, high)) = detail.x_spread {
            let bar = ends((low, y), (high, y));
            lines.push(bar);
            lines.extend(bar.map(|(x, y)| [(x, y - CAP), (x, y + CAP)]));
        }
    }
    lines
}

/// Small places along a line, one after the other.
fn along([(x0, y0), (x1, y1)]: [(i32, i32); 2]) -> impl Iterator<Item = Place> {
    /// Half the side of a place.
    const HALF: i32 = 2;
    let n = ((x1 - x0).abs().max((y1 - y0).abs()) / (2 * HALF)).max(1);
    (0..=n).map(move |step| {
        let (x, y) = (x0 + (x1 - x0) * step / n, y0 + (y1 - y0) * step / n);
        Place { left: x - HALF, right: x + HALF, top: y - HALF, bottom: y + HALF }
    })
}

/// A part of the drawing that something stands in.
#[derive(Clone, Copy, Debug)]
struct Place {
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

impl Place {
    /// How much of both lies on each other.
    fn shared(&self, other: &Self) -> i32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        if width > 0 && height > 0 { width * height } else { 0 }
    }
}

/// A place for a label near a point: that of eight which covers least of what is there, the first of equals.
fn free((x, y): (i32, i32), width: i32, right: i32, taken: &[Place]) -> Place {
    let (height, gap) = LABEL;
    let centered = x - width / 2;
    let rows = [y - gap - height, y + gap, y - height / 2];
    let places = [
        (x + gap, rows[0]),
        (x + gap, rows[1]),
        (x - gap - width, rows[0]),
        (x - gap - width, rows[1]),
        (x + gap + 4, rows[2]),
        (x - gap - 4 - width, rows[2]),
        (centered, rows[0] - 6),
        (centered, rows[1] + 6),
    ];
    let place = |(left, top): (i32, i32)| Place { left, right: left + width, top, bottom: top + height };
    let covered = |place: &Place| {
        let beyond = (place.right - right).max(0) * height;
        taken.iter().map(|other| place.shared(other)).sum::<i32>() + beyond
    };
    let best = places.into_iter().map(place).min_by_key(covered);
    best.unwrap_or_else(|| place(places[0]))
}

/// One or two panels side by side under one title with one legend.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Title.
    pub title: String,
    /// What error bars and labels mean; empty for nothing.
    pub subtitle: String,
    /// The panels.
    pub panels: Vec<Panel>,
}

impl Plot for Lines {
    fn size(&self) -> (u32, u32) {
        (if self.panels.len() > 1 { 1400 } else { 1080 }, 600)
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        let legend: Vec<LegendEntry> = series.map(|series| series.entry.clone()).collect();
        let area = canvas.frame(&self.title, &self.subtitle, &legend)?;
        for (panel, area) in self.panels.iter().zip(area.split_evenly((1, self.panels.len().max(1)))) {
            panel.draw(canvas, &area)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_beside_what_is_there() {
        let mut taken = Vec::new();
        for _ in 0..6 {
            let place = free((100, 100), 30, 400, &taken);
            assert_eq!(taken.iter().map(|other: &Place| place.shared(other)).sum::<i32>(), 0, "{taken:?}");
            taken.push(place);
        }
        // At the right end, to the left.
        assert!(free((395, 100), 30, 400, &[]).right <= 400);
    }
}
