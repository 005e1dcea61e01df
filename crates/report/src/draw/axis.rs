//! Axes: what they show, where their ticks are, and what stands at them.

use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::SVGBackend;
use plotters::style::{Color, TRANSPARENT};

use super::canvas::{Area, size, text_style, words};
use super::color::{FAINT, GRID, INK};

/// Ticks of an axis of numbers, at most.
const MAX_TICKS: usize = 8;

/// What an axis shows.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    range: Range<f64>,
    is_logarithmic: bool,
    /// Where its ticks are, with the text of each.
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis of this range.
    pub fn new(label: &str, range: Range<f64>) -> Self {
        let ticks = linear_ticks(&range);
        Self { label: label.into(), range, is_logarithmic: false, ticks }
    }

    /// An axis over these values with room at both ends, at least `least` wide.
    pub fn over(label: &str, values: impl Iterator<Item = f64>, least: f64) -> Self {
        let (low, high) = extent(values).unwrap_or((0.0, 1.0));
        let middle = f64::midpoint(low, high);
        let half = ((high - low) / 2.0).max(least / 2.0) * 1.12;
        Self::new(label, middle - half..middle + half)
    }

    /// An axis from 0 to a little above the largest value.
    pub fn from_zero(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let high = values.fold(0.0, f64::max);
        Self::new(label, 0.0..if high > 0.0 { high * 1.08 } else { 1.0 })
    }

    /// An axis of names, at 0, 1, 2, ...
    pub fn named(label: &str, names: Vec<String>) -> Self {
        let range = -0.15..names.len().saturating_sub(1) as f64 + 0.15;
        let ticks = names.into_iter().enumerate().map(|(at, name)| (at as f64, name)).collect();
        Self { label: label.into(), range, is_logarithmic: false, ticks }
    }

    /// A logarithmic axis over positive values.
    pub fn logarithmic(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = extent(values.filter(|value| *value > 0.0)).unwrap_or((1.0, 10.0));
        let range = low / 1.3..high * 1.3;
        let ticks = logarithmic_ticks(&range);
        Self { label: label.into(), range, is_logarithmic: true, ticks }
    }

    /// A logarithmic axis with ticks at these positive values alone.
    pub fn logarithmic_at(label: &str, values: &[usize]) -> Self {
        let ticks = values.iter().map(|value| (*value as f64, value.to_string())).collect();
        let (low, high) = extent(values.iter().map(|value| *value as f64)).unwrap_or((1.0, 10.0));
        Self { label: label.into(), range: low / 1.1..high * 1.1, is_logarithmic: true, ticks }
    }

    /// Its smallest and its largest value.
    pub fn ends(&self) -> (f64, f64) {
        (self.range.start, self.range.end)
    }

    /// The axis, its end moved outwards by this factor; ticks stay.
    pub fn stretched(self, factor: f64) -> Self {
        Self { range: self.range.start..self.range.end * factor, ..self }
    }
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, value| {
        Some(extent.map_or((value, value), |(low, high): (f64, f64)| (low.min(value), high.max(value))))
    })
}

/// Multiples of 1, 2 or 5 times a power of ten, with enough decimals to tell them apart.
fn linear_ticks(range: &Range<f64>) -> Vec<(f64, String)> {
    let rough = (range.end - range.start) / MAX_TICKS as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return vec![(range.start, range.start.to_string())];
    }
    let power = rough.log10().floor();
    // The steps in whole numbers of the last decimal, so that ticks are not off by rounding.
    let (multiple, power) = match rough / 10_f64.powf(power) {
        ratio if ratio <= 1.0 => (1.0, power),
        ratio if ratio <= 2.0 => (2.0, power),
        ratio if ratio <= 5.0 => (5.0, power),
        _ => (1.0, power + 1.0),
    };
    let decimals = (-power).clamp(0.0, 6.0) as usize;
    let at = |index: f64| {
        if power < 0.0 { index * multiple / 10_f64.powf(-power) } else { index * multiple * 10_f64.powf(power) }
    };
    let step = multiple * 10_f64.powf(power);
    // An end that is a tick but for rounding belongs to the axis.
    let (first, last) = ((range.start / step - 1e-9).ceil() as i64, (range.end / step + 1e-9).floor() as i64);
    // Adding zero turns a negative zero, which would print as `-0`, into zero.
    (first..=last).map(|index| at(index as f64) + 0.0).map(|tick| (tick, format!("{tick:.decimals$}"))).collect()
}

/// 1, 2 and 5 times powers of ten, or the powers alone where these would be too many.
fn logarithmic_ticks(range: &Range<f64>) -> Vec<(f64, String)> {
    let ticks = |multiples: &[f64]| -> Vec<(f64, String)> {
        let powers = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
        let values = powers.flat_map(|power| {
            let decimals = (-power).max(0) as usize;
            multiples.iter().map(move |multiple| (multiple * 10_f64.powi(power), decimals))
        });
        let values = values.filter(|(value, _)| range.contains(value));
        values.map(|(value, decimals)| (value, format!("{value:.decimals$}"))).collect()
    };
    let fine = ticks(&[1.0, 2.0, 5.0]);
    if fine.len() <= MAX_TICKS + 2 { fine } else { ticks(&[1.0]) }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let scaled = |value: f64| if self.is_logarithmic { value.ln() } else { value };
        let (low, high) = (scaled(self.range.start), scaled(self.range.end));
        // What is far outside would leave the range of pixels.
        let share = ((scaled(*value) - low) / (high - low)).clamp(-1.0, 2.0);
        start + (share * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Asked for none where the axis is not drawn.
        let ticks = if hint.max_num_points() == 0 { &[] } else { &self.ticks[..] };
        ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|(tick, _)| tick == value).map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

/// An area with axes.
pub type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

/// Which of the axes are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Both, with a grid.
    Both,
    /// The horizontal one; the text at the left of the vertical one takes this width.
    Horizontal {
        /// Width in SVG units.
        left: i32,
    },
}

/// Draws axes with grid, ticks and labels.
///
/// # Errors
/// The drawing library refuses.
pub fn axes<'a, 'b>(area: &'b Area<'a>, x: Axis, y: Axis, drawn: Drawn) -> Result<Chart<'a, 'b>, String> {
    let labels = [x.label.clone(), y.label.clone()];
    let left = if let Drawn::Horizontal { left } = drawn { left } else { 78 };
    let mut chart = ChartBuilder::on(area)
        .margin_top(8)
        .margin_right(22)
        .x_label_area_size(56)
        .y_label_area_size(left)
        .build_cartesian_2d(x, y)
        .map_err(words)?;
    let [x_label, y_label] = labels;
    let mut mesh = chart.configure_mesh();
    mesh.bold_line_style(GRID.stroke_width(1))
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT.stroke_width(1))
        .set_all_tick_mark_size(6)
        .x_desc(x_label)
        .label_style(text_style(size::TEXT, INK))
        .axis_desc_style(text_style(size::HEADING, INK));
    if drawn == Drawn::Both {
        mesh.y_desc(y_label);
    } else {
        mesh.disable_y_mesh().y_labels(0);
    }
    mesh.draw().map_err(words)?;
    Ok(chart)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(axis: &Axis, expected: &[&str]) {
        let texts: Vec<&str> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn ticks_are_round_numbers_inside_the_range() {
        check(&Axis::new("", 0.0..1.0), &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(&Axis::new("", -0.3..0.3), &["-0.3", "-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3"]);
        check(&Axis::new("", 61.2..171.0), &["80", "100", "120", "140", "160"]);
        check(&Axis::new("", 5.0..5.0), &["5"]);
        check(&Axis::logarithmic("", [0.9, 60.0].into_iter()), &["1", "2", "5", "10", "20", "50"]);
        check(&Axis::logarithmic("", [0.02, 900.0].into_iter()), &["0.1", "1", "10", "100", "1000"]);
    }

    #[test]
    fn logarithmic_axes_give_equal_ratios_equal_lengths() {
        let axis = Axis::logarithmic_at("", &[128, 256, 512, 1024]);
        let places: Vec<i32> = axis.key_points(10_usize).iter().map(|tick| axis.map(tick, (0, 10_000))).collect();
        let steps: Vec<i32> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|step| (step - steps[0]).abs() <= 1), "{steps:?}");
    }
}
