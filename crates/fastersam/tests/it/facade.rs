//! A scan in, a label map out: what a program does that knows this crate alone.

use burn::module::Module;
use burn::tensor::Device;
use fastersam::checkpoint::{recommend, save};
use fastersam::{
    CalibrationCases, CheckpointInfo, FasterSamError, ModelOptions, Orientation, PauseSettings, Preset,
    Recommendation, Scan, ScanFile, SegmentOptions, Segmenter, VolumeSegmenter,
};
use fastersam_volume::{
    Intensity, IntensityQuantiles, KeyedRng, LabelTable, TrainingIntensities, write_image, write_image_volume,
};
use ndarray::{Array3, Axis};

#[allow(dead_code, clippy::print_stdout)]
#[path = "../../examples/segment.rs"]
mod example;

const SIZE: usize = 64;

/// A model of drawn weights that takes scans lying as `lay`.
fn segmenter(intensity: Intensity, lay: Orientation) -> Segmenter {
    let mut options = ModelOptions::new(Preset::Tiny);
    options.input_size = Some(SIZE);
    let config = options.resolve(4).unwrap();
    let model = config.init(3, &Device::flex()).unwrap();
    let labels = LabelTable::new(&["right ventricle", "myocardium", "left ventricle"]);
    let info = CheckpointInfo::new(config, labels, intensity, lay, "phantoms".to_owned());
    Segmenter::new(info, VolumeSegmenter::new(model.prepack())).with_batch_size(2)
}

#[test]
fn a_scan_in_its_file_gives_what_one_in_memory_does_however_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii.gz");
    let mut rng = KeyedRng::new(9, &[]);
    let volume = Array3::from_shape_simple_fn((3, 20, 17), || (300.0 * rng.normal()) as i16);
    let lay = Orientation { axes: [2, 1, 0], positive: [true, false, true] };
    let scalings = [
        Intensity::Window { low: -200.0, high: 250.0 },
        Intensity::ClipTop { percentile: 90.0 },
        Intensity::Percentiles { low: 2.0, high: 97.0 },
    ];
    let segmenters = scalings.map(|intensity| segmenter(intensity, lay));
    let options = SegmentOptions { pausing: PauseSettings::keep_ratio([0.5]), ..SegmentOptions::default() };
    let mut round = 0;
    for axes in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for bits in 0..8 {
            let positive = [0, 1, 2].map(|axis| bits >> axis & 1 == 1);
            write_image_volume(&path, &volume, [3.0, 1.5, 1.0], Orientation { axes, positive }).unwrap();
            let segmenter = &segmenters[round % 3];
            round += 1;
            let scan = Scan::read(&path).unwrap();
            let (mut turned, _) = scan.oriented(lay);
            segmenter.info().intensity.scale(&mut turned);
            let expected = segmenter.volumes().segment(&turned, &options.pausing).unwrap();
            let classes = scan.to_file_axes(&expected.classes, lay);
            let mut n_done = 0;
            let mut file = ScanFile::open(&path).unwrap();
            let streamed = segmenter.segment_file(&mut file, &options, |n| n_done += n).unwrap();
            let in_memory = segmenter.segment_scan(&scan, &options.pausing).unwrap();
            for found in [&streamed, &in_memory] {
                assert!(found.classes == classes, "{axes:?} {positive:?}");
                assert!(found.slices == expected.slices, "{axes:?} {positive:?}");
                assert!(found.warnings.is_empty(), "{:?}", found.warnings);
            }
            assert_eq!(n_done, expected.slices.len());
        }
    }
}

#[test]
fn voxels_that_are_no_numbers_change_no_other_slice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii");
    let mut rng = KeyedRng::new(9, &[]);
    let clean = Array3::from_shape_simple_fn((20, 17, 6), || (300.0 * rng.normal()) as f32);
    let segmenter = segmenter(Intensity::Window { low: -200.0, high: 250.0 }, Orientation::default());
    let segment = |voxels: &Array3<f32>, allow_invalid: bool| {
        write_image(&path, voxels, [1.0; 3]).unwrap();
        let options = SegmentOptions { allow_invalid, ..SegmentOptions::default() };
        segmenter.segment_file(&mut ScanFile::open(&path).unwrap(), &options, |_| {})
    };
    let expected = segment(&clean, false).unwrap();
    let mut damaged = clean.clone();
    (damaged[(3, 3, 2)], damaged[(4, 4, 2)]) = (f32::NAN, f32::INFINITY);
    let found = segment(&damaged, false).unwrap();
    for k in (0..6).filter(|&k| k != 2) {
        assert_eq!(found.classes.index_axis(Axis(2), k), expected.classes.index_axis(Axis(2), k));
    }
    assert!(found.warnings[0].contains("2 voxels of 2040") && found.warnings[0].contains("1 slice"), "{found:?}");
    damaged.slice_mut(ndarray::s![0..3, .., ..]).fill(f32::NAN);
    let error = segment(&damaged, false).unwrap_err();
    assert!(matches!(error, FasterSamError::InvalidVoxels(_)), "{error}");
    segment(&damaged, true).unwrap();
    let error = segment(&damaged.mapv(|_| f32::NAN), true).unwrap_err();
    assert!(error.to_string().contains("none of its voxels"), "{error}");
    let constant = segment(&clean.mapv(|_| 5.0), false).unwrap();
    assert!(constant.warnings[0].contains("the same value"), "{:?}", constant.warnings);
}

#[test]
fn intensities_of_another_kind_than_those_of_training_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii");
    let mut rng = KeyedRng::new(9, &[]);
    let hounsfield = Array3::from_shape_simple_fn((20, 17, 2), || (-400.0 + 700.0 * rng.uniform()) as f32);
    let window = Intensity::Window { low: -125.0, high: 275.0 };
    let known = segmenter(window.clone(), Orientation::default());
    let training = IntensityQuantiles { p1: -400.0, p50: -50.0, p99: 300.0 };
    let info =
        CheckpointInfo { training_intensities: TrainingIntensities::of([training]), ..known.info().clone() };
    let segmenter = Segmenter::new(info, known.volumes().clone());
    let warnings = |voxels: &Array3<f32>, intensity: Option<Intensity>| {
        write_image(&path, voxels, [1.0; 3]).unwrap();
        let options = SegmentOptions { intensity, ..SegmentOptions::default() };
        segmenter.segment_file(&mut ScanFile::open(&path).unwrap(), &options, |_| {}).unwrap().warnings
    };
    assert!(warnings(&hounsfield, None).is_empty());
    for other in [hounsfield.mapv(|v| (v + 400.0) / 700.0), hounsfield.mapv(|v| v + 1024.0)] {
        let found = warnings(&other, None);
        assert!(found[0].contains("was trained on intensities from -400 to 300"), "{found:?}");
        assert!(warnings(&other, Some(window.clone())).is_empty());
    }
}

#[test]
fn the_example_writes_the_label_map_in_the_axes_of_the_scan() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let mut options = ModelOptions::new(Preset::Tiny);
    options.input_size = Some(SIZE);
    let config = options.resolve(4).unwrap();
    let model = config.init(3, &device).unwrap();
    let labels = LabelTable::new(&["right ventricle", "myocardium", "left ventricle"]);
    let intensity = Intensity::ClipTop { percentile: 99.0 };
    let lay = Orientation { axes: [0, 2, 1], positive: [true, false, true] };
    let info = CheckpointInfo::new(config, labels.clone(), intensity.clone(), lay, "phantoms".to_owned());
    let place = save(folder.path(), "step-1", &info, &model, |_| Ok(())).unwrap();
    let settings = PauseSettings::keep_ratio([0.5]);
    let chosen_on = CalibrationCases { cases: "none".to_owned(), trained_on: false };
    recommend(&place, Recommendation { settings: settings.clone(), chosen_on }, vec!["myocardium".to_owned()])
        .unwrap();

    let [source, target] = ["scan.nii.gz", "map.nii.gz"].map(|name| folder.path().join(name));
    // Blood and what is around it, in noise.
    let mut rng = KeyedRng::new(1, &[]);
    let scan = Array3::from_shape_fn((12, SIZE, SIZE), |(_, row, col)| {
        let is_blood = (row as f64 - 30.0).hypot(col as f64 - 25.0) < 14.0;
        (if is_blood { 600.0 } else { 150.0 } + 60.0 * rng.normal()).max(0.0) as i16
    });
    let oriented = Orientation { axes: [1, 0, 2], positive: [false, true, true] };
    write_image_volume(&source, &scan, [3.0, 1.5, 1.0], oriented).unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    example::segment(&text(folder.path()), &text(&source), &text(&target)).unwrap();

    // The same step by step.
    let scan = Scan::read(&source).unwrap();
    let (mut volume, _) = scan.oriented(lay);
    intensity.scale(&mut volume);
    let classes = VolumeSegmenter::new(model.valid().prepack()).segment(&volume, &settings).unwrap().classes;
    assert!(classes.iter().any(|&class| class != classes[(0, 0, 0)]), "a map of one class shows nothing");
    let map = Scan::read(&target).unwrap();
    assert_eq!((map.grid.affine, map.voxels.dim()), (scan.grid.affine, scan.voxels.dim()));
    let found: Array3<u8> = map.oriented(lay).0.mapv(|class| class as u8);
    assert_eq!(found, classes);
    let names = std::fs::read_to_string(folder.path().join("map_labels.json")).unwrap();
    assert!(names.contains("myocardium"), "{names}");

    let segmenter = Segmenter::load(folder.path(), &device).unwrap();
    assert_eq!(segmenter.recommended_pausing(), settings);
    let map = segmenter.segment_scan(&scan, &settings).unwrap();
    let voxels: f64 = map.classes.iter().filter(|&&class| class == 2).count() as f64;
    let (name, ml) = map.volumes_ml().nth(1).unwrap();
    assert_eq!(name, labels.names[2]);
    assert!((ml - voxels * 4.5 / 1000.0).abs() < 1e-9, "{ml}");
}
