//! Ten steps of training against PyTorch: logits, all gradients, the parameters after AdamW, the losses.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Gradients, Tensor};
use fastersam::loss::{CE_WEIGHT, DICE_WEIGHT, one_hot, segmentation_loss};
use fastersam::weights::{LoadOptions, WeightFile, load_into};
use fastersam_decoder::PromptFreeDecoder;
use fastersam_device::{of_tests, tolerance_factor, training_tolerance_factor};
use fastersam_golden::{Comparison, Fixture, config, fixture, has, json};
use fastersam_pausing_encoder::{PauseSettings, PausingEncoder};
use serde_json::Value;

use crate::weights::files::{Folder, pytorch};
use crate::weights::golden::{decoder_config, encoder_config, floats, images, weights};

/// Encoder and decoder, named as in the assembled model.
#[derive(Module, Debug)]
struct Network {
    encoder: PausingEncoder,
    decoder: PromptFreeDecoder,
}

/// Parameters under SAM's names and in PyTorch's layout, with or without their gradients.
struct Named<'a> {
    path: Vec<String>,
    holders: Vec<String>,
    gradients: Option<&'a Gradients>,
    found: Vec<(String, Option<Vec<f32>>)>,
}

impl Named<'_> {
    fn of(network: &Network, gradients: Option<&Gradients>) -> Vec<(String, Option<Vec<f32>>)> {
        let (path, holders) = (Vec::new(), Vec::new());
        let mut named = Named { path, holders, gradients, found: Vec::new() };
        network.visit(&mut named);
        named.found
    }

    fn official(&self) -> String {
        let path = self.path.join(".");
        let path = match path.strip_prefix("encoder.") {
            Some(rest) => format!("image_encoder.{rest}"),
            None => path.trim_start_matches("decoder.").to_owned(),
        };
        [
            ("neck.conv1.", "neck.0."),
            ("neck.norm1.", "neck.1."),
            ("neck.conv2.", "neck.2."),
            ("neck.norm2.", "neck.3."),
            ("output_upscaling.conv1.", "output_upscaling.0."),
            ("output_upscaling.norm.", "output_upscaling.1."),
            ("output_upscaling.conv2.", "output_upscaling.3."),
        ]
        .iter()
        .fold(path, |path, (ours, theirs)| path.replace(ours, theirs))
    }
}

impl ModuleVisitor for Named<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_owned());
        self.holders.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.holders.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let is_linear = self.holders.last().unwrap() == "Struct:Linear" && D == 2;
        let official = |t: Tensor<D>| floats(if is_linear { t.transpose() } else { t });
        let value = match self.gradients {
            None => Some(official(param.val())),
            Some(gradients) => {
                let device = param.val().device().inner();
                let inner = |g: Tensor<D>| Tensor::from_data(g.into_data(), &device);
                param.val().grad(gradients).map(|g| official(inner(g)))
            }
        };
        self.found.push((self.official(), value));
    }
}

fn check_after_step(comparison: &mut Comparison, fixture: &Fixture, step: usize, network: &Network) {
    let prefix = format!("output.after_step_{step}.");
    let values = Named::of(network, None);
    for (key, _) in fixture.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        let name = &key[prefix.len()..];
        let ours = values.iter().find(|(found, _)| found == name);
        let ours = ours.unwrap_or_else(|| panic!("no parameter {name}")).1.as_ref().unwrap();
        comparison.check(fixture, key, ours);
    }
}

#[test]
fn golden_ten_training_losses() {
    let (Some(fixture), Some(expected)) = (fixture("train_curve"), json("train_curve")) else { return };
    if !has(&["config.json", "tolerances.json"]) {
        return;
    }
    let sizes = config();
    let train = &sizes["train"];
    let number = |value: &Value| value.as_f64().unwrap();
    let device = of_tests().autodiff();

    let folder = Folder::new();
    let file = WeightFile::open(&folder.write("sam.pth", &pytorch(&weights(&fixture), &[]))).unwrap();
    let images = images(&fixture, "input.image_u8", &device);
    let network = Network {
        encoder: encoder_config(&sizes["encoder"], images.dims()[2]).init(&device),
        decoder: decoder_config(&sizes["decoder"], &fixture).init(&device),
    };
    let options = LoadOptions { decoder_heads: true, ..LoadOptions::default() };
    let (mut network, report) = load_into(network, &file, &options).unwrap();
    assert!(report.new.is_empty() && report.unused.is_empty() && report.resized.is_empty(), "{report:?}");

    let labels = fixture.get("input.low_res_label");
    let [b, h, w] = labels.dims();
    let n_classes = fixture.get("mask_decoder.mask_tokens.weight").dims::<2>()[0];
    let target = one_hot(&labels.labels(), [b, h, w], n_classes, &device);
    let mut optimizer = AdamWConfig::new()
        .with_beta_1(number(&train["betas"][0]) as f32)
        .with_beta_2(number(&train["betas"][1]) as f32)
        .with_epsilon(number(&train["eps"]) as f32)
        .with_weight_decay(number(&train["weight_decay"]) as f32)
        .init();

    // A device's gradients may be farther off than its losses.
    let mut losses = Comparison::new("train_curve").relaxed(tolerance_factor());
    let mut comparison = Comparison::new("train_curve").relaxed(training_tolerance_factor());
    let tolerances = json("tolerances").unwrap();
    let atol = |name: &str| number(&tolerances["train_curve"]["expected"][name]["atol"]);
    let n_steps = train["steps"].as_u64().unwrap() as usize;
    for step in 1..=n_steps {
        let encoded = network.encoder.forward(images.clone(), None, &PauseSettings::never()).unwrap();
        let logits = network.decoder.forward(encoded.embedding, None).unwrap().masks;
        let loss = segmentation_loss(logits.clone(), target.clone());
        let combined = loss.cross_entropy.clone().mul_scalar(number(&train["ce_weight"]))
            + loss.dice.clone().mul_scalar(number(&train["dice_weight"]));
        if (number(&train["ce_weight"]), number(&train["dice_weight"])) == (CE_WEIGHT, DICE_WEIGHT) {
            assert_eq!(floats(combined.clone()), floats(loss.combined()));
        }
        for (name, value) in
            [("loss", &combined), ("cross_entropy", &loss.cross_entropy), ("dice_loss", &loss.dice)]
        {
            let reference = number(&expected["expected"][name][step - 1]) as f32;
            let key = format!("step {step}: {name}");
            losses.check_within(&key, &floats(value.clone()), &[reference], atol(name));
        }
        let gradients = combined.backward();
        if step == 1 {
            losses.check(&fixture, "output.logits", &floats(logits));
            let without: Vec<&str> = expected["parameters_without_gradient"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap())
                .collect();
            for (name, gradient) in Named::of(&network, Some(&gradients)) {
                let key = format!("output.grad.{name}");
                match gradient {
                    Some(gradient) if fixture.contains(&key) => comparison.check(&fixture, &key, &gradient),
                    Some(gradient) => assert!(gradient.iter().all(|&v| v == 0.0), "{name} has a gradient"),
                    None => {
                        let is_buffer = name.ends_with("gaussian_matrix");
                        assert!(is_buffer || without.contains(&name.as_str()), "{name} has no gradient");
                    }
                }
            }
        }
        let gradients = GradientsParams::from_grads(gradients, &network);
        network = optimizer.step(number(&train["lr"]), network, gradients);
        check_after_step(&mut comparison, &fixture, step, &network);
    }
    losses.finish();
    comparison.finish();
}
