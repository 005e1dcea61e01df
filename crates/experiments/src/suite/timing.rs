//! Speed of a suite's pause settings.

use anyhow::Result;

use fastersam_pausing_encoder::PauseSettings;

use super::Run;
use crate::throughput;
use fastersam_progress::say;
use fastersam_records::Scope;

impl Run<'_> {
    /// Times all settings, at every batch size, network only; `never` and the recommended one also from
    /// voxels to class map.
    pub(super) fn time(&self, settings: &[PauseSettings], recommended: usize) -> Result<()> {
        let mut two = vec![0, recommended];
        two.dedup();
        let all: Vec<usize> = (0..settings.len()).collect();
        for &batch_size in &self.trained.experiment.measure.throughput_batch_sizes {
            self.time_some(settings, &all, recommended, batch_size, Scope::NetworkInputToLogits)?;
            self.time_some(settings, &two, recommended, batch_size, Scope::VoxelsToClassMap)?;
        }
        Ok(())
    }

    /// Times the settings `chosen`, the first of which is `never`, interleaved.
    fn time_some(
        &self,
        settings: &[PauseSettings],
        chosen: &[usize],
        recommended: usize,
        batch_size: usize,
        scope: Scope,
    ) -> Result<()> {
        let trained = &self.trained;
        let timed: Vec<&PauseSettings> = chosen.iter().map(|&i| &settings[i]).collect();
        let runs = trained.experiment.measure.throughput_runs;
        let timings = throughput::measure(trained, &timed, batch_size, runs, scope)?;
        let never = timings[0].ms_per_slice(0.5);
        for (&i, timing) in chosen.iter().zip(&timings) {
            let pause = self.pause_record(&settings[i], i == recommended);
            let record = trained.throughput(timing, pause, batch_size, scope, never);
            if i == recommended {
                say(&format!(
                    "{}: {} at batch {batch_size}, {scope}: {:.1} slices/s, {:.2}x as fast as never",
                    trained.experiment.id,
                    settings[i].full_label(trained.points()),
                    record.slices_per_s,
                    record.speed_up_over_never
                ));
            }
            self.write(record)?;
        }
        Ok(())
    }
}
