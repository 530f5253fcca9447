import HTTPTypes
public import LongtakeCore
import Synchronization

/// The values of all metrics at one moment. This is the only place with their names, which follow
/// prometheus.io/docs/practices/naming.
struct MetricsSnapshot: Sendable {
    var version: String
    /// Whether the daemon accepts new jobs.
    var isOpen: Bool
    var connections: Int
    var streams: Int
    var requests: [RequestCounts.Kind: Int]
    var commits: CommitCounts.Values
    /// Jobs that failed because their stored data cannot be read.
    var unreadableJobs = 0
    /// Attempts that the daemon abandoned because their runner did not stop.
    var abandonedAttempts = 0
    /// The number of workers of each configured queue.
    var workers: [QueueName: Int]
    /// `nil` if they could not be read. A missing value is better than a wrong one.
    var queues: [QueueStatus]?
    var process: ProcessUsage
    var transfers = TransferCounts.Values()
    var files = FileUsage()
    var droppedLogLines = 0

    /// The lines for Prometheus. Their names are part of the API, so existing names do not change.
    var text: String {
        var text = ""
        for family in daemonFamilies + queueFamilies + eventFamilies + fileFamilies + processFamilies {
            family.write(into: &text)
        }
        return text
    }

    private var daemonFamilies: [MetricFamily] {
        [
            MetricFamily(
                "longtake_build_info", .gauge, "Always 1; the version is in its label.",
                samples: [.init(labels: [("version", version)], value: 1)]),
            MetricFamily(
                "longtake_ready", .gauge,
                "1 while the daemon accepts new jobs, 0 during shutdown. Only /readyz checks the disk.",
                isOpen ? 1 : 0),
            MetricFamily("longtake_connections_open", .gauge, "Open client connections.", Double(connections)),
            MetricFamily("longtake_streams_open", .gauge, "Open streams.", Double(streams)),
            MetricFamily(
                "longtake_http_requests_total", .counter,
                "Responses by method and status. A stream counts when it starts.",
                samples: requests.sorted { ($0.key.method, $0.key.status) < ($1.key.method, $1.key.status) }.map {
                    .init(
                        labels: [("method", $0.key.method), ("code", String($0.key.status))], value: Double($0.value))
                }),
            MetricFamily(
                "longtake_log_dropped_total", .counter,
                "Log lines that the daemon dropped because standard error was blocked.",
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
            family("longtake_queue_running", "Stages of a queue that workers execute.", \.running),
            family("longtake_queue_waiting", "Stages of a queue that wait for a free worker.", \.waiting),
            family("longtake_queue_paused", "1 while a queue is paused.") { $0.isPaused ? 1 : 0 },
        ]
    }

    private var eventFamilies: [MetricFamily] {
        [
            MetricFamily(
                "longtake_commits_total", .counter, "Committed transactions with events.", Double(commits.commits)),
            MetricFamily(
                "longtake_events_committed_total", .counter, "Committed events by type.",
                samples: EventType.allCases.map {
                    .init(labels: [("type", $0.rawValue)], value: Double(commits.events[$0] ?? 0))
                }),
            MetricFamily(
                "longtake_jobs_finished_total", .counter,
                "Finished jobs by final state.",
                samples: [
                    (JobState.succeeded, EventType.jobSucceeded), (.failed, .jobFailed), (.canceled, .jobCanceled),
                ]
                .map { .init(labels: [("state", $0.0.rawValue)], value: Double(commits.events[$0.1] ?? 0)) }),
            MetricFamily(
                "longtake_jobs_unreadable_total", .counter,
                "Jobs that failed with the code unreadable, because their stored data cannot be read.",
                Double(unreadableJobs)),
            MetricFamily(
                "longtake_attempts_abandoned_total", .counter,
                "Attempts that the daemon abandoned because their runner did not stop.",
                Double(abandonedAttempts)),
        ]
    }

    private var fileFamilies: [MetricFamily] {
        [
            MetricFamily("longtake_uploads_open", .gauge, "Uploads in progress.", Double(transfers.uploadsOpen)),
            MetricFamily(
                "longtake_upload_bytes_total", .counter,
                "Bytes of files that clients have sent, also in uploads that failed.", Double(transfers.uploaded)),
            MetricFamily(
                "longtake_download_bytes_total", .counter, "Bytes of files and artifacts that were sent to clients.",
                Double(transfers.downloaded)),
            MetricFamily(
                "longtake_files_bytes", .gauge,
                "Bytes of stored files and artifacts. Too few until the count after a start has ended.",
                samples: files.storedBytes.map { [.init(value: Double($0))] } ?? []),
            MetricFamily(
                "longtake_artifacts_created_total", .counter, "Registered artifacts.",
                Double(commits.events[.artifactCreated] ?? 0)),
            MetricFamily("longtake_commands_running", .gauge, "Commands that run.", Double(files.commands)),
            MetricFamily(
                "longtake_supervisors_lost_total", .counter,
                "Supervisors that died before their command. The daemon then killed the command.",
                Double(files.supervisorsLost)),
        ]
    }

    /// The names that all Prometheus clients use
    /// (prometheus.io/docs/instrumenting/writing_clientlibs, “Process metrics”).
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
                process.maxDescriptors.map(Double.init)),
        ]
    }
}

/// Counts responses by method and status since the start. Clients cannot add counters, because all
/// unknown methods share one.
final class RequestCounts: Sendable {
    struct Kind: Hashable, Sendable {
        /// `other` if the method is unknown or could not be parsed.
        let method: String
        let status: Int
    }

    private let state = Mutex<[Kind: Int]>([:])

    var values: [Kind: Int] { state.withLock { $0 } }

    /// - Parameter method: as the client sent it; `nil` if it could not be parsed.
    func count(_ method: String?, status: Int) {
        let kind = Kind(method: method.flatMap { Self.methods.contains($0) ? $0 : nil } ?? "other", status: status)
        state.withLock { $0[kind, default: 0] += 1 }
    }

    private static let methods = Set(RouteTable.methods.map(\.rawValue) + ["HEAD"])
}

/// Counts commits and their events since the start. Each commit takes one lock, for which only
/// scrapes compete.
final class CommitCounts: Sendable {
    struct Values: Sendable {
        /// Transactions with events.
        var commits = 0
        var events: [EventType: Int] = [:]
    }

    private let state = Mutex(Values())

    var values: Values { state.withLock { $0 } }

    func count(_ notice: TailNotice) {
        guard case .events(let events) = notice.news else { return }
        state.withLock { values in
            values.commits += 1
            for event in events { values.events[event.type, default: 0] += 1 }
        }
    }
}

/// The resources that the process uses. A value is `nil` if the system does not report it.
public struct ProcessUsage: Sendable {
    public var startedAt: Timestamp?
    /// User and system time of all threads.
    public var cpuSeconds: Double?
    public var residentBytes: Int?
    public var openDescriptors: Int?
    /// The limit of open descriptors.
    public var maxDescriptors: Int?

    public init(
        startedAt: Timestamp? = nil, cpuSeconds: Double? = nil, residentBytes: Int? = nil, openDescriptors: Int? = nil,
        maxDescriptors: Int? = nil
    ) {
        self.startedAt = startedAt
        self.cpuSeconds = cpuSeconds
        self.residentBytes = residentBytes
        self.openDescriptors = openDescriptors
        self.maxDescriptors = maxDescriptors
    }
}
