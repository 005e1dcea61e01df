//! The plots: Dice against throughput, tokens by stage, training curves, time and memory.

use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{DrawingArea, DrawingBackend, LineSeries, PathElement, RGBColor, Rectangle};
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::canvas::{Canvas, Drawn, FAINT, GRID, INK, LegendEntry, Marker, Plot, SERIES_COLOURS, words};

/// Points of one legend entry, in the order that they are joined.
#[derive(Clone, Debug)]
pub struct Series {
    /// How it is drawn, and what it is called.
    pub entry: LegendEntry,
    /// The points.
    pub points: Vec<(f64, f64)>,
}

/// What an axis shows.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Its range.
    pub range: Range<f64>,
    /// Names in place of numbers, at 0, 1, 2, ...
    pub names: Option<Vec<String>>,
}

impl Axis {
    /// An axis over these values with room at both ends, at least `least` wide.
    pub fn over(label: &str, values: impl Iterator<Item = f64>, least: f64) -> Self {
        let (mut low, mut high) =
            values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let middle = (low + high) / 2.0;
        let half = ((high - low) / 2.0).max(least / 2.0) * 1.12;
        Self { label: label.into(), range: middle - half..middle + half, names: None }
    }

    /// An axis from 0 to a little above the largest value.
    pub fn from_zero(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let high = values.fold(0.0, f64::max);
        Self { label: label.into(), range: 0.0..if high > 0.0 { high * 1.08 } else { 1.0 }, names: None }
    }

    /// An axis of names.
    pub fn named(label: &str, names: Vec<String>) -> Self {
        let range = -0.15..names.len().saturating_sub(1) as f64 + 0.15;
        Self { label: label.into(), range, names: Some(names) }
    }

    /// A logarithmic axis over positive values: whole decades have names, and a value `v` stands at
    /// `log10(v)` minus the second result.
    pub fn logarithmic(label: &str, values: impl Iterator<Item = f64>) -> (Self, f64) {
        let (low, high) =
            values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (1.0, 1.0) } else { (low, high) };
        let start = low.log10().floor();
        let last = (high.log10() - start).ceil().max(1.0);
        let names = (0..=last as usize).map(|decade| {
            let power = start + decade as f64;
            format!("{:.*}", (-power).max(0.0) as usize, 10_f64.powf(power))
        });
        let names = Some(names.collect());
        (Self { label: label.into(), range: -0.02..last + 0.02, names }, start)
    }

    /// A tick's text: enough decimals for the range, none too many.
    fn tick(&self, value: f64) -> String {
        if let Some(names) = &self.names {
            let near = value.round();
            let named = (value - near).abs() < 1e-6 && near >= 0.0;
            return if named { names.get(near as usize).cloned().unwrap_or_default() } else { String::new() };
        }
        // The step of the ticks that plotters will choose is 1, 2 or 5 times a power of ten.
        let ticks = RangedCoordf64::from(self.range.clone()).key_points(TICKS);
        let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1.0);
        let decimals = (-step.log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize;
        // Rounded first: a tick a little below zero would be printed as minus zero.
        let scale = 10_f64.powi(decimals as i32);
        format!("{:.decimals$}", (value * scale).round() / scale + 0.0)
    }
}

/// Ticks of an axis of numbers, at most.
const TICKS: usize = 8;
/// Length of a tick's mark, which also keeps its text off the axis.
const TICK_MARK: i32 = 6;

/// A panel of lines and points.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// The series, drawn in order.
    pub series: Vec<Series>,
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
        (if self.panels.len() > 1 { 1400 } else { 1080 }, 620)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        let legend: Vec<LegendEntry> =
            self.panels.iter().flat_map(|panel| &panel.series).map(|series| series.entry.clone()).collect();
        let area = canvas.frame(&self.title, "", &legend)?;
        for (panel, area) in self.panels.iter().zip(area.split_evenly((1, self.panels.len().max(1)))) {
            panel.draw(canvas, &area)?;
        }
        Ok(())
    }
}

impl Panel {
    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>, area: &DrawingArea<B, Shift>) -> Drawn {
        let mut chart = axes(canvas, area, &self.x, &self.y)?;
        for series in &self.series {
            let colour = series.entry.colour;
            if series.entry.line > 0 {
                let stroke = colour.stroke_width(canvas.width(series.entry.line));
                chart.draw_series(LineSeries::new(series.points.iter().copied(), stroke)).map_err(words)?;
            }
        }
        // Markers last, above every line.
        for series in &self.series {
            for point in &series.points {
                canvas.mark(chart.backend_coord(point), series.entry.marker, series.entry.colour)?;
            }
        }
        Ok(())
    }
}

type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Axes with grid, ticks and labels.
fn axes<'a, B: DrawingBackend>(
    canvas: &Canvas<B>,
    area: &'a DrawingArea<B, Shift>,
    x: &Axis,
    y: &Axis,
) -> Result<Chart<'a, B>, String> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(canvas.px(8))
        .margin_right(canvas.px(22))
        .x_label_area_size(canvas.px(58))
        .y_label_area_size(canvas.px(78))
        .build_cartesian_2d(x.range.clone(), y.range.clone())
        .map_err(words)?;
    // As many ticks as names put one on each name and none between.
    let ticks = |axis: &Axis| axis.names.as_ref().map_or(TICKS, |names| names.len().max(2));
    chart
        .configure_mesh()
        .bold_line_style(GRID.stroke_width(canvas.width(1)))
        .light_line_style(plotters::style::TRANSPARENT)
        .axis_style(FAINT.stroke_width(canvas.width(1)))
        .set_all_tick_mark_size(canvas.px(TICK_MARK))
        .x_desc(x.label.clone())
        .y_desc(y.label.clone())
        .x_labels(ticks(x))
        .y_labels(ticks(y))
        .x_label_formatter(&|value| x.tick(*value))
        .y_label_formatter(&|value| y.tick(*value))
        .x_label_style((super::canvas::FONT, canvas.px(17), &INK))
        .y_label_style((super::canvas::FONT, canvas.px(17), &INK))
        .axis_desc_style((super::canvas::FONT, canvas.px(19), &INK))
        .draw()
        .map_err(words)?;
    Ok(chart)
}

/// A bar: its name, length, spread and colour.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Name at the left.
    pub name: String,
    /// Length.
    pub value: f64,
    /// Where the whisker starts and ends.
    pub spread: Option<(f64, f64)>,
    /// Whether it is the recommended setting.
    pub recommended: bool,
}

/// Horizontal bars from zero.
#[derive(Clone, Debug)]
pub struct Bars {
    /// Title.
    pub title: String,
    /// What the colours and lines mean.
    pub subtitle: String,
    /// Quantity and unit.
    pub label: String,
    /// Decimals of the printed values.
    pub decimals: usize,
    /// The bars, from the top.
    pub bars: Vec<Bar>,
}

/// Pixels from bar to bar, at least.
const BAR_STEP: u32 = 34;

/// Colours of usual and recommended bars.
const BAR_COLOURS: [RGBColor; 2] = [SERIES_COLOURS[5], SERIES_COLOURS[0]];

impl Plot for Bars {
    fn size(&self) -> (u32, u32) {
        (1080, (220 + BAR_STEP * self.bars.len() as u32).max(560))
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Drawn {
        let area = canvas.frame(&self.title, &self.subtitle, &[])?;
        let names = canvas.text(17, INK, HPos::Right);
        let widest = self.bars.iter().map(|bar| canvas.measure(&bar.name, &names)).max().unwrap_or(0);
        let left = (widest + canvas.px(20)).min(canvas.px(560));
        let highest = self.bars.iter().map(|bar| bar.spread.map_or(bar.value, |spread| spread.1.max(bar.value)));
        let mut x = Axis::from_zero(&self.label, highest);
        // Room for the printed value.
        x.range.end *= 1.1;
        // A few bars stay slim and leave the lower part of the figure empty.
        let count = (self.bars.len() as f64).max(6.0);
        let mut chart = ChartBuilder::on(&area)
            .margin_top(canvas.px(8))
            .margin_right(canvas.px(22))
            .x_label_area_size(canvas.px(58))
            .y_label_area_size(left)
            .build_cartesian_2d(x.range.clone(), 0.0..count)
            .map_err(words)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .bold_line_style(GRID.stroke_width(canvas.width(1)))
            .light_line_style(plotters::style::TRANSPARENT)
            .axis_style(FAINT.stroke_width(canvas.width(1)))
            .set_all_tick_mark_size(canvas.px(TICK_MARK))
            .x_labels(TICKS)
            .x_desc(self.label.clone())
            .x_label_formatter(&|value| x.tick(*value))
            .x_label_style((super::canvas::FONT, canvas.px(17), &INK))
            .axis_desc_style((super::canvas::FONT, canvas.px(19), &INK))
            .draw()
            .map_err(words)?;
        let values = canvas.text(17, INK, HPos::Left);
        for (index, bar) in self.bars.iter().enumerate() {
            let y = count - index as f64 - 0.5;
            let colour = BAR_COLOURS[usize::from(bar.recommended)];
            let body = Rectangle::new([(0.0, y - 0.32), (bar.value, y + 0.32)], colour.filled());
            chart.draw_series([body]).map_err(words)?;
            let mut end = bar.value;
            if let Some((low, high)) = bar.spread {
                let whisker = PathElement::new([(low, y), (high, y)], INK.stroke_width(canvas.width(2)));
                chart.draw_series([whisker]).map_err(words)?;
                end = end.max(high);
            }
            let (x_end, y_pixel) = chart.backend_coord(&(end, y));
            let x_start = chart.backend_coord(&(0.0, y)).0;
            let decimals = self.decimals;
            canvas.write(&format!("{:.decimals$}", bar.value), (x_end + canvas.px(8), y_pixel), &values)?;
            let name = canvas.shorten(&bar.name, &names, left - canvas.px(16));
            canvas.write(&name, (x_start - canvas.px(10), y_pixel), &names)?;
        }
        Ok(())
    }
}

/// A series with the marker and colour of its place.
pub fn series(label: String, index: usize, points: Vec<(f64, f64)>) -> Series {
    let markers = super::canvas::SERIES_MARKERS;
    let entry = LegendEntry {
        label,
        colour: SERIES_COLOURS[index % SERIES_COLOURS.len()],
        marker: markers[index % markers.len()],
        line: 2,
    };
    Series { entry, points }
}

/// A ring round one point, with its own legend entry.
pub fn ring(label: String, point: (f64, f64)) -> Series {
    Series { entry: LegendEntry { label, colour: INK, marker: Marker::Ring, line: 0 }, points: vec![point] }
}
