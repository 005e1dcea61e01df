//! A scan in, a label map out: what a program does that knows this crate alone.

use burn::module::Module;
use burn::tensor::Device;
use fastersam::checkpoint::{recommend, save};
use fastersam::{
    CalibrationCases, CheckpointInfo, ModelOptions, Orientation, PauseSettings, Preset, Recommendation, Scan,
    Segmenter, VolumeSegmenter,
};
use fastersam_volume::{Intensity, KeyedRng, LabelTable, write_image_volume};
use ndarray::Array3;

#[allow(dead_code, clippy::print_stdout)]
#[path = "../../examples/segment.rs"]
mod example;

const SIZE: usize = 64;

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
    recommend(&place, Recommendation { settings: settings.clone(), chosen_on }).unwrap();

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
    assert_eq!((map.affine, map.spacing_mm, map.voxels.dim()), (scan.affine, scan.spacing_mm, scan.voxels.dim()));
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
