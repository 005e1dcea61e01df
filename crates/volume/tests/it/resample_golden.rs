//! Against scipy and numpy.

use fastersam_golden::{Comparison, Fixture, fixture};
use fastersam_volume::resample::{
    nearest_sources, rot90, rotate_nearest, rotation_sources, zoom_cubic, zoom_nearest,
};
use ndarray::{Array2, Axis};

/// What the fixtures' README allows; exact f64 inside gives far less.
const CUBIC_ATOL: f64 = 1e-6;

fn array<T: Clone>(shape: [usize; 2], values: &[T]) -> Array2<T> {
    Array2::from_shape_vec(shape, values.to_vec()).unwrap()
}

fn image(fixture: &Fixture, key: &str) -> Array2<f32> {
    array(fixture.get(key).dims(), &fixture.get(key).image())
}

fn labels(fixture: &Fixture, key: &str) -> Array2<u8> {
    array(fixture.get(key).dims(), fixture.get(key).u8())
}

/// `57x31_to_64x64` as sizes before and after.
fn sizes(case: &str) -> [[usize; 2]; 2] {
    let pair = |text: &str| -> [usize; 2] {
        let (a, b) = text.split_once('x').unwrap();
        [a.parse().unwrap(), b.parse().unwrap()]
    };
    let (from, to) = case.split_once("_to_").unwrap();
    [pair(from), pair(to)]
}

/// The cases of a kind: what stands between `output.KIND.` and the last part of a key.
fn cases(fixture: &Fixture, kind: &str, last: &str) -> Vec<String> {
    let prefix = format!("output.{kind}.");
    let suffix = format!(".{last}");
    fixture
        .iter()
        .filter_map(|(key, _)| key.strip_prefix(&prefix)?.strip_suffix(&suffix))
        .map(str::to_owned)
        .collect()
}

#[test]
fn golden_cubic_zoom_equals_scipy() {
    let Some(fixture) = fixture("zoom") else { return };
    let mut comparison = Comparison::new("zoom");
    for case in cases(&fixture, "cubic", "values") {
        let [_, to] = sizes(case.split('.').next().unwrap());
        let ours = zoom_cubic(image(&fixture, &format!("input.cubic.{case}.image_u8")).view(), to);
        let at = |axis: &str| fixture.get(&format!("output.cubic.{case}.{axis}")).i64().to_vec();
        let (rows, cols) = (at("rows"), at("cols"));
        let picked: Vec<f32> = rows
            .iter()
            .flat_map(|&row| cols.iter().map(move |&col| (row as usize, col as usize)))
            .map(|place| ours[place])
            .collect();
        let key = format!("output.cubic.{case}.values");
        comparison.check_within(&key, &picked, fixture.get(&key).f32(), CUBIC_ATOL);
    }
    comparison.finish();
}

#[test]
fn golden_nearest_zoom_equals_scipy() {
    let Some(fixture) = fixture("zoom") else { return };
    let all = cases(&fixture, "nearest", "row_source");
    assert!(!all.is_empty());
    for case in all {
        let [from, to] = sizes(&case);
        for (axis, name) in ["row_source", "col_source"].into_iter().enumerate() {
            let ours: Vec<i64> = nearest_sources(from[axis], to[axis])
                .into_iter()
                .map(|source| source.map_or(-1, |s| s as i64))
                .collect();
            let expected = fixture.get(&format!("output.nearest.{case}.{name}"));
            // scipy writes 0 where either coordinate is outside; a source is -1 there on its axis.
            assert_eq!(ours, expected.i64(), "{case} {name}");
        }
        let key = format!("output.nearest.{case}.label");
        if fixture.contains(&key) {
            let input = labels(&fixture, &format!("input.nearest.{case}.label"));
            assert_eq!(zoom_nearest(input.view(), to), labels(&fixture, &key), "{case}");
        }
    }
}

#[test]
fn golden_rotation_equals_scipy() {
    let Some(fixture) = fixture("zoom") else { return };
    let all = cases(&fixture, "rotate", "source");
    assert!(!all.is_empty());
    for case in all {
        let degrees: i32 = case.rsplit_once("_by_").unwrap().1.parse().unwrap();
        let input = labels(&fixture, &format!("input.rotate.{case}.label"));
        let (rows, cols) = input.dim();
        let ours: Vec<i64> = rotation_sources([rows, cols], degrees)
            .into_iter()
            .map(|source| source.map_or(-1, |(row, col)| (row * cols + col) as i64))
            .collect();
        let key = format!("output.rotate.{case}");
        assert_eq!(ours, fixture.get(&format!("{key}.source")).i64(), "{case}");
        assert_eq!(rotate_nearest(input.view(), degrees), labels(&fixture, &format!("{key}.label")));
        let gray = image(&fixture, &format!("input.rotate.{case}.image_u8"));
        let expected = fixture.get(&format!("{key}.image"));
        let turned = rotate_nearest(gray.view(), degrees);
        assert_eq!(turned.as_slice().unwrap(), expected.f32(), "{case}");
    }
}

#[test]
fn golden_quarter_turns_and_flips_equal_numpy() {
    let Some(fixture) = fixture("zoom") else { return };
    let input = labels(&fixture, "input.rot90_flip.label");
    for quarter_turns in 0..4 {
        let turned = rot90(input.view(), quarter_turns);
        let key = format!("output.rot90_flip.rot90_{quarter_turns}");
        assert_eq!(turned, labels(&fixture, &key));
        for axis in 0..2 {
            let mut flipped = turned.clone();
            flipped.invert_axis(Axis(axis));
            assert_eq!(flipped, labels(&fixture, &format!("{key}_flip_{axis}")));
        }
    }
}
