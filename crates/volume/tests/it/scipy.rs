//! `zoom` and `rotate` against scipy for every small shape, axes of length 1 among them, and at all usual sizes and
//! angles. `tests/scipy/generate.py` makes the expected values.

use fastersam_volume::resample::{nearest_sources, rotation_sources, zoom_cubic, zoom_nearest};
use ndarray::Array2;
use serde_json::Value;

fn expected() -> Value {
    serde_json::from_str(include_str!("../scipy/expected.json")).unwrap()
}

fn pair(text: &str) -> [usize; 2] {
    let (a, b) = text.split_once('x').unwrap();
    [a.parse().unwrap(), b.parse().unwrap()]
}

/// FNV-1a over little-endian 64-bit integers; -1 where scipy writes 0.
fn fnv(sources: impl Iterator<Item = Option<usize>>) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for source in sources {
        for byte in source.map_or(-1, |source| source as i64).to_le_bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{state:016x}")
}

#[test]
fn cubic_zoom_of_every_small_shape_equals_scipy() {
    let expected = expected();
    let cases = expected["cubic"].as_object().unwrap();
    assert_eq!(cases.len(), 256);
    for (case, values) in cases {
        let (from, to) = case.split_once("_to_").unwrap();
        let image = Array2::from_shape_fn(pair(from), |(i, j)| ((7 * i + 13 * j) % 11) as f32 / 8.0 - 0.5);
        let ours = zoom_cubic(image.view(), pair(to));
        assert_eq!(ours.shape(), pair(to), "{case}");
        for (ours, scipy) in ours.iter().zip(values.as_array().unwrap()) {
            let difference = (f64::from(*ours) - scipy.as_f64().unwrap()).abs();
            assert!(difference <= 1e-6, "{case}: {ours} instead of {scipy}");
        }
    }
}

#[test]
fn nearest_zoom_looks_where_scipy_looks() {
    let expected = expected();
    let sizes_out: Vec<usize> =
        expected["sizes_out"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    for (n, hash) in expected["nearest"].as_object().unwrap() {
        let n: usize = n.parse().unwrap();
        assert_eq!(fnv(sizes_out.iter().flat_map(|&m| nearest_sources(n, m))), hash.as_str().unwrap(), "from {n}");
    }
    // The map follows its sources on both axes.
    let label = Array2::from_shape_fn((5, 3), |(i, j)| (3 * i + j + 1) as u8);
    let (rows, cols) = (nearest_sources(5, 9), nearest_sources(3, 1));
    for ((i, j), &class) in zoom_nearest(label.view(), [9, 1]).indexed_iter() {
        assert_eq!(class, rows[i].zip(cols[j]).map_or(0, |at| label[at]));
    }
}

#[test]
fn rotation_by_every_angle_looks_where_scipy_looks() {
    let expected = expected();
    let cases = expected["rotate"].as_object().unwrap();
    assert_eq!(cases.len(), 8 * 40);
    for (case, hash) in cases {
        let (shape, angle) = case.split_once("_by_").unwrap();
        let [rows, cols] = pair(shape);
        let sources = rotation_sources([rows, cols], angle.parse().unwrap());
        let flat = sources.into_iter().map(|source| source.map(|(row, col)| row * cols + col));
        assert_eq!(fnv(flat), hash.as_str().unwrap(), "{case}");
    }
}
