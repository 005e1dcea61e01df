//! Horizontal bars.

use plotters::prelude::{PathElement, Rectangle};
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, Drawn as Axes, axes};
use super::canvas::{Canvas, Drawn, Plot, size, words};
use super::color::{BARS, INK};
use super::raster::text_width;

/// SVG units from bar to bar.
const STEP: u32 = 34;
/// Width of the longest name, at most.
const MAX_NAME: i32 = 540;

/// A bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Name at the left.
    pub name: String,
    /// Length.
    pub value: f64,
    /// Where the whisker starts and ends.
    pub spread: Option<(f64, f64)>,
    /// Whether it is dark.
    pub is_highlighted: bool,
}

/// Horizontal bars from zero.
#[derive(Clone, Debug)]
pub struct Bars {
    /// Title.
    pub title: String,
    /// What the colors and lines mean.
    pub subtitle: String,
    /// Quantity and unit.
    pub label: String,
    /// Decimals of the printed values.
    pub decimals: usize,
    /// The bars, from the top.
    pub bars: Vec<Bar>,
}

impl Plot for Bars {
    fn size(&self) -> (u32, u32) {
        (1080, 210 + STEP * self.bars.len() as u32)
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        let area = canvas.frame(&self.title, &self.subtitle, &[])?;
        let widest = self.bars.iter().map(|bar| text_width(&bar.name, size::TEXT)).max().unwrap_or(0);
        let left = widest.min(MAX_NAME) + 20;
        let ends = self.bars.iter().map(|bar| bar.spread.map_or(bar.value, |(_, high)| high.max(bar.value)));
        // Room for the printed value.
        let x = Axis::from_zero(&self.label, ends).stretched(1.1);
        let count = self.bars.len() as f64;
        let mut chart = axes(&area, x, Axis::new("", 0.0..count), Axes::Horizontal { left })?;
        for (index, bar) in self.bars.iter().enumerate() {
            let y = count - index as f64 - 0.5;
            let body = [(0.0, y - 0.32), (bar.value, y + 0.32)];
            let color = BARS[usize::from(bar.is_highlighted)];
            chart.draw_series([Rectangle::new(body, color.filled())]).map_err(words)?;
            let mut end = bar.value;
            if let Some((low, high)) = bar.spread {
                let whisker = PathElement::new([(low, y), (high, y)], INK.stroke_width(2));
                chart.draw_series([whisker]).map_err(words)?;
                end = end.max(high);
            }
            let (x_end, y_at) = chart.backend_coord(&(end, y));
            let x_start = chart.backend_coord(&(0.0, y)).0;
            let value = format!("{:.*}", self.decimals, bar.value);
            canvas.write(&value, (x_end + 8, y_at), size::TEXT, INK, HPos::Left)?;
            canvas.write(&shorten(&bar.name), (x_start - 10, y_at), size::TEXT, INK, HPos::Right)?;
        }
        Ok(())
    }
}

/// The name, or its end behind an ellipsis where it is too wide.
fn shorten(name: &str) -> String {
    let mut shortened = name.to_owned();
    let mut letters = name.chars();
    while text_width(&shortened, size::TEXT) > MAX_NAME && letters.next().is_some() {
        shortened = format!("…{}", letters.as_str());
    }
    shortened
}
