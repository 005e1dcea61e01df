//! Dots in rows: several values of each of many things.

use plotters::prelude::PathElement;
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, Drawn as Axes, axes};
use super::canvas::{Canvas, Drawn, LegendEntry, Plot, SERIES_MARKERS, size, words};
use super::color::{GRID, INK, SERIES};
use super::raster::text_width;

/// SVG units from row to row.
const STEP: u32 = 26;
/// Width of the longest name, at most.
const MAX_NAME: i32 = 260;

/// Dots in rows.
#[derive(Clone, Debug)]
pub struct Dots {
    /// Title.
    pub title: String,
    /// What is in which order.
    pub subtitle: String,
    /// The values' axis.
    pub x: Axis,
    /// Names of the rows, from the top.
    pub rows: Vec<String>,
    /// What the dots are called, and a value for each row; `None` where there is none.
    pub series: Vec<(String, Vec<Option<f64>>)>,
}

impl Plot for Dots {
    fn size(&self) -> (u32, u32) {
        (1080, 210 + STEP * self.rows.len().max(4) as u32)
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        let entry = |(at, (label, _)): (usize, &(String, Vec<Option<f64>>))| LegendEntry {
            label: label.clone(),
            color: SERIES[at % SERIES.len()],
            marker: SERIES_MARKERS[at % SERIES_MARKERS.len()],
            line: 0,
        };
        let legend: Vec<LegendEntry> = self.series.iter().enumerate().map(entry).collect();
        let area = canvas.frame(&self.title, &self.subtitle, &legend)?;
        let widest = self.rows.iter().map(|name| text_width(name, size::TEXT)).max().unwrap_or(0);
        let left = widest.min(MAX_NAME) + 20;
        let count = self.rows.len() as f64;
        let chart = axes(&area, self.x.clone(), Axis::new("", 0.0..count), Axes::Horizontal { left })?;
        let (start, end) = self.x.ends();
        for (row, name) in self.rows.iter().enumerate() {
            let y = count - row as f64 - 0.5;
            let line = [chart.backend_coord(&(start, y)), chart.backend_coord(&(end, y))];
            canvas.root.draw(&PathElement::new(line, GRID.stroke_width(1))).map_err(words)?;
            canvas.write(name, (line[0].0 - 10, line[0].1), size::TEXT, INK, HPos::Right)?;
            for ((_, values), entry) in self.series.iter().zip(&legend) {
                if let Some(value) = values.get(row).copied().flatten() {
                    canvas.mark(chart.backend_coord(&(value, y)), entry.marker, entry.color)?;
                }
            }
        }
        Ok(())
    }
}
