import LongtakeCore

/// All numbers at one moment, and the one place of their names, which follow prometheus.io/docs/practices/naming.
struct MetricsReading: Sendable {
    var version: String
    /// Whether new jobs are taken in.
    var isOpen: Bool
    var connections: Int
    var streams: Int
    var requests: [RequestCounts.Kind: Int]
    var commits: CommitCounts.Values
    /// Jobs that were set aside because they cannot be read.
    var unreadableJobs = 0
    /// Attempts that were abandoned because their runner did not stop.
    var abandonedAttempts = 0
    /// Of each queue that is configured.
    var workers: [QueueName: Int]
    /// `nil` where they could not be read: a number that is missing is better than one that is wrong.
    var queues: [QueueStatus]?
    var process: ProcessUsage
    var droppedLogLines = 0

    /// The lines that Prometheus reads. Names are part of the contract: they are added to, and do not change.
    var text: String {
        var text = ""
        for family in daemon + queueFamilies + log + processFamilies { family.write(into: &text) }
        return text
    }

    private var daemon: [MetricFamily] {
        [
            MetricFamily(
                "longtake_build_info", .gauge, "Always 1; the version is in its label.",
                samples: [.init(labels: [("version", version)], value: 1)]),
            MetricFamily(
                "longtake_ready", .gauge,
                "1 while new jobs are taken in, 0 from the beginning of a stop. Whether the disk takes them only /readyz tells.",
                isOpen ? 1 : 0),
            MetricFamily("longtake_connections_open", .gauge, "Connections of clients.", Double(connections)),
            MetricFamily("longtake_streams_open", .gauge, "Streams that clients read.", Double(streams)),
            MetricFamily(
                "longtake_http_requests_total", .counter,
                "Requests that were answered, by method and status. A stream counts when it begins.",
                samples: requests.sorted { ($0.key.method, $0.key.status) < ($1.key.method, $1.key.status) }.map {
                    .init(
                        labels: [("method", $0.key.method), ("code", String($0.key.status))], value: Double($0.value))
                }),
            MetricFamily(
                "longtake_log_dropped_total", .counter,
                "Lines of the daemon's log that were dropped because standard error did not take them.",
                Double(droppedLogLines)),
        ]
    }

    private var queueFamilies: [MetricFamily] {
        let known = queues.map { QueueStatus.all($0, with: workers.keys) } ?? []
        func family(_ name: String, _ help: String, _ value: (QueueStatus) -> Int) -> MetricFamily {
            MetricFamily(
                name, .gauge, help,
                samples: known.map {
                    .init(labels: [("queue", $0.name.description)], value: Double(value($0)))
                })
        }
        return [
            MetricFamily(
                "longtake_queue_workers", .gauge, "Workers of a queue.",
                samples: Set(workers.keys).union(known.map(\.name)).sorted().map {
                    .init(labels: [("queue", $0.description)], value: Double(workers[$0] ?? 0))
                }),
            family("longtake_queue_running", "Stages of a queue that workers have.", \.running),
            family("longtake_queue_waiting", "Stages of a queue that a free worker would get.", \.waiting),
            family("longtake_queue_paused", "1 while nothing of a queue is handed out.") { $0.isPaused ? 1 : 0 },
        ]
    }

    private var log: [MetricFamily] {
        [
            MetricFamily(
                "longtake_commits_total", .counter, "Transactions that made events durable.", Double(commits.commits)),
            MetricFamily(
                "longtake_events_committed_total", .counter, "Events that became durable, by type.",
                samples: EventType.allCases.map {
                    .init(labels: [("type", $0.rawValue)], value: Double(commits.events[$0] ?? 0))
                }),
            MetricFamily(
                "longtake_jobs_finished_total", .counter,
                "Jobs that came to their end, by the state that they ended in.",
                samples: [
                    (JobState.succeeded, EventType.jobSucceeded), (.failed, .jobFailed), (.canceled, .jobCanceled),
                ]
                .map { .init(labels: [("state", $0.0.rawValue)], value: Double(commits.events[$0.1] ?? 0)) }),
            MetricFamily(
                "longtake_jobs_unreadable_total", .counter,
                "Jobs that failed with the code unreadable, because what is stored of them cannot be read.",
                Double(unreadableJobs)),
            MetricFamily(
                "longtake_attempts_abandoned_total", .counter,
                "Attempts whose runner did not stop when it was told to, so that its worker went on without it.",
                Double(abandonedAttempts)),
        ]
    }

    /// Their names are those of all Prometheus clients (prometheus.io/docs/instrumenting/writing_clientlibs, “Process metrics”).
    private var processFamilies: [MetricFamily] {
        func family(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double?) -> MetricFamily {
            MetricFamily(name, kind, help, samples: value.map { [.init(value: $0)] } ?? [])
        }
        return [
            family(
                "process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.",
                process.startedAt.map { Double($0.millisecondsSince1970) / 1_000 }),
            family(
                "process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.",
                process.cpuSeconds),
            family(
                "process_resident_memory_bytes", .gauge, "Resident memory size in bytes.",
                process.residentBytes.map(Double.init)),
            family(
                "process_open_fds", .gauge, "Number of open file descriptors.",
                process.openDescriptors.map(Double.init)),
            family(
                "process_max_fds", .gauge, "Maximum number of open file descriptors.",
                process.mostDescriptors.map(Double.init)),
        ]
    }
}
