//! From voxels to classes: batches and what runs beside each other must not show in the result.

use burn::tensor::Device;
use fastersam::{ModelOptions, PauseSettings, Preset, VolumeSegmenter};
use fastersam_volume::KeyedRng;
use fastersam_volume::resample::zoom_nearest;
use ndarray::{Array3, Axis};

#[test]
fn any_batch_size_gives_what_slice_after_slice_gives() {
    let device = Device::flex();
    let mut options = ModelOptions::new(Preset::Tiny);
    options.input_size = Some(64);
    let config = options.resolve(3).unwrap();
    let model = config.init(3, &device).unwrap().prepack();
    let mut rng = KeyedRng::new(5, &[]);
    let volume = Array3::from_shape_simple_fn((5, 70, 61), || rng.uniform() as f32);
    let settings = PauseSettings::keep_ratio([0.6, 0.5]);

    let one = VolumeSegmenter::new(model.clone()).with_batch_size(1);
    let mut expected = Array3::<u8>::zeros(volume.dim());
    let mut paused_at = Vec::new();
    for (slice, mut target) in volume.outer_iter().zip(expected.outer_iter_mut()) {
        let (maps, _) = one.classify(one.prepare(&[slice]), &settings).unwrap();
        target.assign(&zoom_nearest(maps[0].view(), [70, 61]));
        let alone = slice.insert_axis(Axis(0)).to_owned();
        paused_at.extend(one.segment(&alone, &settings).unwrap().slices);
    }
    assert!(expected.iter().any(|&class| class != expected[(0, 0, 0)]), "a map of one class shows nothing");
    for batch_size in [1, 2, 3, 5, 8] {
        let segmenter = VolumeSegmenter::new(model.clone()).with_batch_size(batch_size);
        let mut done = Vec::new();
        let found = segmenter.segment_with(&volume, &settings, |n| done.push(n)).unwrap();
        assert_eq!((done.len(), done.iter().sum()), (5_usize.div_ceil(batch_size), 5), "{done:?}");
        assert_eq!(found.classes, expected, "batches of {batch_size}");
        assert_eq!(found.slices, paused_at, "batches of {batch_size}");
    }
}

#[test]
fn an_empty_volume_is_refused() {
    let device = Device::flex();
    let config = ModelOptions::new(Preset::Tiny).resolve(3).unwrap();
    let segmenter = VolumeSegmenter::new(config.init(3, &device).unwrap().prepack());
    for empty in [(0, 4, 4), (2, 0, 4), (2, 4, 0)] {
        let error = segmenter.segment(&Array3::zeros(empty), &PauseSettings::never()).unwrap_err();
        assert!(error.to_string().contains("empty"), "{error}");
    }
}
