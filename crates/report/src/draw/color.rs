//! Colors that people with any color vision tell apart, also in a gray-scale print.

use fastersam_volume::label_color;
use plotters::style::RGBColor;

// Okabe and Ito's colors.
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const SKY: RGBColor = RGBColor(86, 180, 233);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const BLUE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const PURPLE: RGBColor = RGBColor(204, 121, 167);

/// Colors of series, without those that are pale on white.
pub const SERIES: [RGBColor; 6] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY];
/// Colors of bars: usual ones light, highlighted ones dark.
pub const BARS: [RGBColor; 2] = [SKY, BLUE];

/// Text.
pub const INK: RGBColor = RGBColor(32, 33, 36);
/// Secondary text.
pub const FAINT: RGBColor = RGBColor(95, 99, 104);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(224, 226, 230);
/// What is without pausing among settings that pause.
pub const NEUTRAL: RGBColor = RGBColor(120, 124, 130);
/// Background.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);

/// Color of step `index` of `count` on the viridis scale (without its palest end), for ordered series: its
/// lightness rises with the order.
pub fn viridis(index: usize, count: usize) -> RGBColor {
    const STOPS: [RGBColor; 6] = [
        RGBColor(68, 1, 84),
        RGBColor(65, 68, 135),
        RGBColor(42, 120, 142),
        RGBColor(34, 168, 132),
        RGBColor(122, 209, 81),
        RGBColor(194, 223, 35),
    ];
    let position = if count < 2 { 0.0 } else { index as f64 / (count - 1) as f64 * (STOPS.len() - 1) as f64 };
    let lower = (position as usize).min(STOPS.len() - 2);
    mix(STOPS[lower], STOPS[lower + 1], position - lower as f64)
}

/// Color of a label from 1 on, the same as in label maps.
pub fn of_label(label: usize) -> RGBColor {
    let [red, green, blue] = label_color(label);
    RGBColor(red, green, blue)
}

/// `share` of `above` over the rest of `below`.
pub fn mix(below: RGBColor, above: RGBColor, share: f64) -> RGBColor {
    let mix = |below: u8, above: u8| (f64::from(below) * (1.0 - share) + f64::from(above) * share).round() as u8;
    RGBColor(mix(below.0, above.0), mix(below.1, above.1), mix(below.2, above.2))
}
