//! Lines and points in one panel or two.

use plotters::prelude::{LineSeries, RGBColor};
use plotters::style::Color;

use super::axis::{Axis, Drawn as Axes, axes};
use super::canvas::{Area, Canvas, Drawn, LegendEntry, Marker, Plot, SERIES_MARKERS, words};
use super::color::{INK, SERIES};

/// Markers of a series, at most; between them there is the line alone.
const MAX_MARKERS: usize = 12;

/// Points of one legend entry, in the order that they are joined.
#[derive(Clone, Debug)]
pub struct Series {
    /// How it is drawn, and what it is called.
    pub entry: LegendEntry,
    /// The points.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A series with the marker and color of its place.
    pub fn new(label: String, index: usize, points: Vec<(f64, f64)>) -> Self {
        Self { entry: Self::entry(label, index, SERIES[index % SERIES.len()]), points }
    }

    /// The legend entry of a series with the marker of its place.
    pub fn entry(label: String, index: usize, color: RGBColor) -> LegendEntry {
        LegendEntry { label, color, marker: SERIES_MARKERS[index % SERIES_MARKERS.len()], line: 2 }
    }

    /// A ring around one point, with its own legend entry.
    pub fn ring(label: String, point: (f64, f64)) -> Self {
        Self { entry: LegendEntry { label, color: INK, marker: Marker::Ring, line: 0 }, points: vec![point] }
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
        // Markers last, above every line.
        for series in &self.series {
            for point in series.points.iter().step_by(series.points.len().div_ceil(MAX_MARKERS).max(1)) {
                canvas.mark(chart.backend_coord(point), series.entry.marker, series.entry.color)?;
            }
        }
        Ok(())
    }
}

/// One or two panels side by side under one title with one legend.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Title.
    pub title: String,
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
        let area = canvas.frame(&self.title, "", &legend)?;
        for (panel, area) in self.panels.iter().zip(area.split_evenly((1, self.panels.len().max(1)))) {
            panel.draw(canvas, &area)?;
        }
        Ok(())
    }
}
