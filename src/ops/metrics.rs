//! The server's numbers in the text format of OpenMetrics 1.0.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::Operations;
use super::process::Process;
use crate::runtime::{AccessLog, BOUNDS, Census, Expiry, Handshakes, Hosts, Times, Total, Transferred};

/// All of them as text.
pub(super) fn exposition(operations: &Operations) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Numbers::of(operations)));
    let mut text = String::new();
    // Writing into text cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

/// Everything, as it is at one moment.
#[derive(Debug)]
struct Numbers {
    totals: Vec<NamedTotal>,
    times: Times,
    census: Census,
    transferred: Vec<Transferred>,
    disk_reads: u64,
    hosts: usize,
    swaps: u64,
    refusals: u64,
    lost_lines: Option<u64>,
    tls: Option<(Handshakes, u64, Vec<Expiry>)>,
    started: u64,
    process: Process,
}

#[derive(Debug)]
struct NamedTotal {
    host: String,
    total: Total,
}

impl Numbers {
    fn of(Operations { hosts, overview, metrics, log, tls, .. }: &Operations) -> Numbers {
        let name = |total: &Total| total.host.and_then(|host| Hosts::name_of(hosts, host));
        let named = |total| NamedTotal { host: name(&total).map_or(String::new(), |name| name.to_string()), total };
        Numbers {
            totals: metrics.totals().into_iter().map(named).collect(),
            times: metrics.times(),
            census: overview.census(),
            transferred: overview.transferred(),
            disk_reads: overview.disk_reads(),
            hosts: hosts.count(),
            swaps: hosts.swaps(),
            refusals: hosts.refusals(),
            lost_lines: log.as_deref().map(AccessLog::lost),
            tls: tls.as_deref().map(|tls| (tls.handshakes(), tls.taken_over(), tls.certificates().expiries())),
            started: overview.since().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            process: Process::now(),
        }
    }
}

/// What a metric's samples are told apart by.
type Labels<'a> = &'a [(&'static str, &'a str)];

/// Writes metrics one after the other.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn described<'s>(
        &'s mut self,
        kind: MetricType,
        name: &'s str,
        unit: Option<&'s Unit>,
        help: &'s str,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, kind)
    }

    /// A number that only grows, for each of these labels.
    fn counters<'l>(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        help: &str,
        samples: impl Iterator<Item = (Vec<(&'static str, &'l str)>, u64)>,
    ) -> fmt::Result {
        let mut metric = self.described(MetricType::Counter, name, unit, help)?;
        for (labels, value) in samples {
            let labels: Labels<'_> = &labels;
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.described(MetricType::Counter, name, None, help)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, unit: Option<&Unit>, help: &str, value: f64) -> fmt::Result {
        self.described(MetricType::Gauge, name, unit, help)?.encode_gauge(&value)
    }
}

impl Collector for Numbers {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(encoder);
        writer
            .described(MetricType::Info, "connegd", None, "The program")?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        self.answers(&mut writer)?;
        self.connections(&mut writer)?;
        self.sites(&mut writer)?;
        self.security(&mut writer)?;
        if let Some(lines) = self.lost_lines {
            writer.counter(
                "connegd_access_log_lost_lines",
                "Lines of the access log that there was no room for",
                lines,
            )?;
        }
        self.process(&mut writer)
    }
}

impl Numbers {
    fn answers(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let statuses: Vec<_> = self.totals.iter().map(|named| named.total.status.to_string()).collect();
        let types: Vec<_> = self.totals.iter().map(|named| String::from_utf8_lossy(&named.total.media_type)).collect();
        let labels = |number: usize| {
            vec![("host", &*self.totals[number].host), ("status", &*statuses[number]), ("type", &*types[number])]
        };
        let samples = |value: fn(&Total) -> u64| {
            self.totals.iter().enumerate().map(move |(number, named)| (labels(number), value(&named.total)))
        };
        let help = "Requests that were answered, by the name that the site is served under, the status, and the media type \
                    of the selected variant";
        writer.counters("connegd_requests", None, help, samples(|total| total.requests))?;
        let help = "Bytes of content that were sent";
        writer.counters("connegd_response", Some(&Unit::Bytes), help, samples(|total| total.bytes))?;
        let help = "How long answers took, from the arrival of the request until the kernel had the content";
        let mut metric =
            writer.described(MetricType::Histogram, "connegd_request_duration", Some(&Unit::Seconds), help)?;
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.times.classes).collect();
        let count = self.times.classes.iter().sum();
        metric.encode_histogram::<NoLabelSet>(self.times.sum.as_secs_f64(), count, &buckets, None)
    }

    fn connections(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let Census { admitted, refused, displaced, barred, phases } = &self.census;
        let mut metric = writer.described(
            MetricType::Gauge,
            "connegd_connections",
            None,
            "Open connections, by what they are at",
        )?;
        for (phase, count, _) in phases {
            metric.encode_family(&[("phase", phase.name())])?.encode_gauge(&(*count as i64))?;
        }
        writer.counter("connegd_connections_accepted", "Connections that were let in", *admitted)?;
        let help = "Connections that were not, since their client had too many";
        writer.counter("connegd_connections_refused", help, *refused)?;
        let help = "Connections that were closed to make room for others";
        writer.counter("connegd_connections_displaced", help, *displaced)?;
        let help = "Connections that were closed unanswered, since too many handshakes of their client had failed";
        writer.counter("connegd_connections_barred", help, *barred)?;
        let late = phases.iter().map(|(phase, _, late)| (vec![("phase", phase.name())], *late));
        writer.counters("connegd_timeouts", None, "What took too long, by what the connection was at", late)?;
        let by_model = |value: fn(&Transferred) -> u64| {
            self.transferred.iter().map(move |sent| (vec![("model", sent.model.name())], value(sent)))
        };
        let help = "Contents that were sent by themselves, not behind their heads, by the way of sending";
        writer.counters("connegd_transfers", None, help, by_model(|sent| sent.stretches))?;
        writer.counters("connegd_transfer", Some(&Unit::Bytes), "Their bytes", by_model(|sent| sent.bytes))?;
        let help = "Stretches of contents that were not in memory, so that a connection waited for the disk";
        writer.counter("connegd_disk_reads", help, self.disk_reads)
    }

    fn sites(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.gauge("connegd_hosts", None, "Names that something is served for", self.hosts as f64)?;
        writer.counter("connegd_swaps", "Sites that took the place of former ones", self.swaps)?;
        let help = "Webroots that were not served, and sites that could not be packed";
        writer.counter("connegd_refused_webroots", help, self.refusals)
    }

    fn security(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let Some((Handshakes { full, resumed, failed }, taken_over, expiries)) = &self.tls else { return Ok(()) };
        let kinds = [("full", *full), ("resumed", *resumed), ("failed", *failed)];
        let samples = kinds.into_iter().map(|(result, count)| (vec![("result", result)], count));
        writer.counters("connegd_tls_handshakes", None, "Handshakes of TLS, by what became of them", samples)?;
        let help = "Connections whose encryption the kernel took over";
        writer.counter("connegd_tls_kernel_connections", help, *taken_over)?;
        let help = "When certificates expire, since 1970";
        let mut metric =
            writer.described(MetricType::Gauge, "connegd_certificate_expiry", Some(&Unit::Seconds), help)?;
        for Expiry { file, host, until } in expiries {
            let file = file.to_string_lossy();
            metric.encode_family(&[("host", &**host), ("file", &*file)])?.encode_gauge(&(*until as f64))?;
        }
        Ok(())
    }

    fn process(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let Process { cpu, resident, descriptors } = self.process;
        let help = "Processor time";
        writer
            .described(MetricType::Counter, "process_cpu", Some(&Unit::Seconds), help)?
            .encode_counter::<NoLabelSet, _, f64>(&cpu, None)?;
        writer.gauge("process_resident_memory", Some(&Unit::Bytes), "Memory in use", resident as f64)?;
        writer.gauge("process_open_fds", None, "Open descriptors", descriptors as f64)?;
        let help = "When the server began, since 1970";
        writer.gauge("process_start_time", Some(&Unit::Seconds), help, self.started as f64)
    }
}
