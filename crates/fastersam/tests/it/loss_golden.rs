//! The losses against PyTorch, with gradients.

use burn::tensor::{Tensor, TensorData};
use fastersam::loss::{one_hot, segmentation_loss};
use fastersam_device::{of_tests, tolerance_factor};
use fastersam_golden::{Comparison, fixture, json};

#[test]
fn golden_losses_and_gradients_equal_pytorch() {
    let (Some(fixture), Some(expected)) = (fixture("losses"), json("losses")) else { return };
    let Some(tolerances) = json("tolerances") else { return };
    let device = of_tests().autodiff();
    let mut comparison = Comparison::new("losses").relaxed(tolerance_factor());
    let cases: Vec<String> = fixture
        .iter()
        .filter_map(|(key, _)| key.strip_prefix("input.")?.strip_suffix(".logits").map(str::to_owned))
        .collect();
    for case in &cases {
        let stored = fixture.get(&format!("input.{case}.logits"));
        let [b, classes, h, w] = stored.dims();
        let logits = TensorData::new(stored.f32().to_vec(), [b, classes, h, w]);
        let logits = Tensor::<4>::from_data(logits, &device).require_grad();
        let labels: Vec<u8> = fixture.get(&format!("input.{case}.labels")).labels();
        let target = one_hot(&labels, [b, h, w], classes, &device);
        for name in ["cross_entropy", "dice_loss", "combined"] {
            // A graph can be walked back once only: the loss is computed anew for each gradient.
            let loss = segmentation_loss(logits.clone(), target.clone());
            let value = match name {
                "cross_entropy" => loss.cross_entropy,
                "dice_loss" => loss.dice,
                _ => loss.combined(),
            };
            let ours = value.clone().into_data().try_to_vec::<f32>().unwrap();
            let reference = expected["expected"][case][name].as_f64().unwrap() as f32;
            let atol = tolerances["losses"]["expected"][case][name]["atol"].as_f64().unwrap();
            comparison.check_within(&format!("{case}.{name}"), &ours, &[reference], atol);
            let key = format!("output.{case}.grad_{name}");
            if fixture.contains(&key) {
                let gradients = value.backward();
                let gradient = logits.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
                comparison.check(&fixture, &key, &gradient);
            }
        }
    }
    comparison.finish();
}
