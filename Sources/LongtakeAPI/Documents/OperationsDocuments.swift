public import LongtakeCore

/// The response of `/healthz` and `/readyz` in JSON.
public struct StatusDocument: Codable, Hashable, Sendable {
    /// `ok` for `/healthz`, `ready` for `/readyz`.
    public var status: String
    /// The version of the daemon, for `/healthz` only.
    public var version: String?
    /// What an operator should know although the daemon is ready, in sentences; for `/readyz` only.
    public var warnings: [String]?

    /// The response of `/healthz`.
    public static func healthy(version: String) -> StatusDocument {
        StatusDocument(status: "ok", version: version)
    }

    /// The response of `/readyz`.
    public static func ready(warnings: [String]) -> StatusDocument {
        StatusDocument(status: "ready", warnings: warnings)
    }
}

/// A queue in JSON.
public struct QueueDocument: Codable, Hashable, Sendable {
    public var name: QueueName
    public var workers: Int
    public var running: Int
    public var waiting: Int
    public var paused: Bool

    public init(_ status: QueueStatus, workers: Int) {
        name = status.name
        self.workers = workers
        running = status.running
        waiting = status.waiting
        paused = status.isPaused
    }
}

/// The list of queues in JSON.
public struct QueueListDocument: Codable, Hashable, Sendable {
    public var queues: [QueueDocument]

    public init(queues: [QueueDocument]) { self.queues = queues }
}

/// A backup in JSON. Every member is always present, and is `null` if it has no value.
public struct BackupDocument: Codable, Hashable, Sendable {
    public var id: BackupID
    public var state: Backup.State
    public var path: String
    /// The directory with the content of files and artifacts; `null` if the backup does not include
    /// it.
    @Nullable public var filesPath: String?
    /// The size of the file; while the backup runs, the size so far.
    public var bytes: Int64
    @Nullable public var error: String?
    public var startedAt: Timestamp
    @Nullable public var finishedAt: Timestamp?

    private enum CodingKeys: String, CodingKey {
        case id, state, path, bytes, error
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case filesPath = "files_path"
    }

    public init(_ backup: Backup) {
        id = backup.id
        state = backup.state
        path = backup.path
        _filesPath = Nullable(wrappedValue: backup.includesFiles ? backup.filesPath : nil)
        bytes = backup.bytes
        _error = Nullable(wrappedValue: backup.error)
        startedAt = backup.startedAt
        _finishedAt = Nullable(wrappedValue: backup.finishedAt)
    }
}

/// The list of backups in JSON.
public struct BackupListDocument: Codable, Hashable, Sendable {
    public var backups: [BackupDocument]

    public init(_ backups: [Backup]) { self.backups = backups.map(BackupDocument.init) }
}

/// A configured pipeline in JSON.
public struct PipelineDocument: Codable, Hashable, Sendable {
    public var name: PipelineName
    public var description: String
    public var input: [String: InputField]
    public var stages: [Stage]

    /// A stage of a configured pipeline in JSON.
    public struct Stage: Codable, Hashable, Sendable {
        public var name: StageName
        public var queue: QueueName
        public var expectedSeconds: Double

        private enum CodingKeys: String, CodingKey {
            case name, queue
            case expectedSeconds = "expected_seconds"
        }

        init(_ stage: StageDefinition) {
            name = stage.name
            queue = stage.queue
            expectedSeconds = stage.seconds
        }
    }

    public init(_ definition: PipelineDefinition) {
        name = definition.name
        description = definition.description
        input = definition.input
        stages = definition.stages.map(Stage.init)
    }
}

/// The list of configured pipelines in JSON.
public struct PipelineListDocument: Codable, Hashable, Sendable {
    /// The pipeline of a submission that names none.
    public var `default`: PipelineName
    public var pipelines: [PipelineDocument]

    public init(_ catalog: PipelineCatalog) {
        self.default = catalog.defaultPipeline
        pipelines = catalog.definitions.map(PipelineDocument.init)
    }
}
