//! From a plot to SVG text and a PNG file.

use std::sync::OnceLock;

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, IntoDrawingArea, WHITE};
use plotters::style::{FontStyle, register_font};

use super::ReportError;
use super::canvas::{Canvas, Drawn, FONT, Lettering, Plot, words};

/// PNG files are twice as large as the SVG, for sharp text on dense screens.
const PNG_SCALE: u32 = 2;

/// They are drawn larger by this factor and averaged down: plotters rounds its lines to whole pixels.
const OVERSAMPLING: u32 = 2;

/// Registers the font once.
pub fn register() -> Drawn {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    static DEJAVU_SANS: &[u8] = include_bytes!("../assets/DejaVuSans.ttf");
    let registered = REGISTERED.get_or_init(|| register_font(FONT, FontStyle::Normal, DEJAVU_SANS).is_ok());
    registered.then_some(()).ok_or_else(|| "the embedded font is damaged".to_owned())
}

/// A plot as SVG text and PNG bytes.
///
/// # Errors
/// A backend refuses to draw.
pub fn render(name: &str, plot: &impl Plot) -> Result<(String, Vec<u8>), ReportError> {
    let failed = |reason: String| ReportError::Draw { figure: name.to_owned(), reason };
    register().map_err(failed)?;
    let (width, height) = plot.size();
    let mut svg = String::new();
    draw(SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area(), 1, Lettering::Viewer, plot)
        .map_err(failed)?;
    let scale = PNG_SCALE * OVERSAMPLING;
    let (width, height) = (width * scale, height * scale);
    let mut pixels = vec![255; (width * height * 3) as usize];
    let root = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    draw(root, scale, Lettering::Pixels, plot).map_err(failed)?;
    let pixels = average(&pixels, width as usize);
    Ok((svg, png(&pixels, width / OVERSAMPLING, height / OVERSAMPLING).map_err(failed)?))
}

/// Means over squares of `OVERSAMPLING` pixels; `width` pixels a row, three bytes a pixel.
fn average(pixels: &[u8], width: usize) -> Vec<u8> {
    let side = OVERSAMPLING as usize;
    let rows = pixels.len() / (3 * width) / side;
    let mut averaged = Vec::with_capacity(pixels.len() / (side * side));
    for (row, col) in (0..rows).flat_map(|row| (0..width / side).map(move |col| (row, col))) {
        for channel in 0..3 {
            let square =
                (0..side * side).map(|i| ((row * side + i / side) * width + col * side + i % side) * 3 + channel);
            let sum: usize = square.map(|at| usize::from(pixels[at])).sum();
            averaged.push((sum / (side * side)) as u8);
        }
    }
    averaged
}

fn draw<B: DrawingBackend>(
    root: DrawingArea<B, Shift>,
    scale: u32,
    lettering: Lettering,
    plot: &impl Plot,
) -> Drawn {
    root.fill(&WHITE).map_err(words)?;
    let canvas = Canvas::new(root, scale, lettering);
    plot.draw(&canvas)?;
    canvas.root.present().map_err(words)
}

/// RGB bytes as a PNG file.
pub fn png(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    use image::ImageEncoder;
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::Up)
        .write_image(rgb, width, height, image::ColorType::Rgb8)
        .map_err(words)?;
    Ok(file)
}
