import ArgumentParser
import LongtakeCore
import LongtakeHTTP

/// `longtake keys`
struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Creates, lists and revokes the API keys of a daemon with auth.mode: keys.",
        discussion: """
            The keys are stored in the file keys.json beside the database, or in the file that auth.keys_file names. The daemon reads it
            at startup and at SIGHUP (systemctl reload longtake). Run this command as the user of the daemon or as root.

            Examples:
              longtake keys create --data /var/lib/longtake --tenant acme --name "the web shop"
              longtake keys create --data /var/lib/longtake --tenant ops --rights read,admin
              longtake keys list --data /var/lib/longtake
              longtake keys revoke 4f1d8a0c93be --data /var/lib/longtake
              longtake keys rotate --data /var/lib/longtake          creates a new secret for signing tickets
            """,
        subcommands: [Create.self, List.self, Revoke.self, Rotate.self])

    /// The options that determine the path of the key file.
    struct KeyFileOptions: ParsableArguments {
        @Option(name: .long, help: ArgumentHelp("Read the settings from this file.", valueName: "file"))
        var config: String?
        @Option(name: .long, help: ArgumentHelp("The directory of the database.", valueName: "directory"))
        var data: String?

        func keyFile() throws -> KeyFile {
            let flags = (config.map { ["--config", $0] } ?? []) + (data.map { ["--data", $0] } ?? [])
            return KeyFile(path: try SettingsOptions.parse(flags).load().settings.keysPath)
        }
    }

    /// Runs `body`. If it fails, the error is printed and the exit status is 1.
    fileprivate static func perform(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let failure as KeyFile.Failure {
            StandardStreams.write("longtake: \(failure)\n", to: .error)
            throw ExitCode(1)
        }
    }
}

extension Keys {
    /// `longtake keys create`
    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Creates a key and prints it once.",
            discussion: """
                The key is printed to standard output and its description to standard error, as in `KEY=$(longtake keys create --tenant acme)`.
                Only a hash of the key is stored. The rights are read (see the tenant's jobs), submit (submit, cancel, retry and delete
                them) and admin (operations on all tenants: pausing queues, backups, metrics).
                """)

        @OptionGroup var options: KeyFileOptions
        @Option(help: "The tenant whose jobs the key opens: 1 to 64 characters from a-z, 0-9, '-' and '_'.")
        var tenant: String
        @Option(help: "A list of rights, separated by commas: read, submit, admin.")
        var rights = "read,submit"
        @Option(help: "A description of the key, at most 64 characters.")
        var name = ""

        private func parsed() throws -> (tenant: TenantName, rights: [Right]) {
            guard let tenant = TenantName(tenant) else {
                throw ValidationError("--tenant must have 1 to 64 characters from a-z, 0-9, '-' and '_'.")
            }
            let rights = rights.split(separator: ",").map { Right(rawValue: String($0)) }
            guard !rights.isEmpty, !rights.contains(nil) else {
                throw ValidationError("--rights must be a list of read, submit and admin, separated by commas.")
            }
            return (tenant, Right.allCases.filter(rights.contains))
        }

        func validate() throws {
            _ = try parsed()
            guard name.count <= 64, !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else {
                throw ValidationError("--name must have at most 64 characters and no control characters.")
            }
        }

        func run() throws {
            let (tenant, rights) = try parsed()
            try Keys.perform {
                let (file, time) = (try options.keyFile(), SystemClock().now())
                let key = APIKey(random: KeyFile.Content.random)
                try file.update { content in
                    if content.signingKeys.isEmpty { content.rotate(at: time, keepingOld: true) }
                    content.keys.append(KeyRecord(key, tenant: tenant, rights: rights, name: name, at: time))
                }
                StandardStreams.write(
                    "Created key \(key.id) for tenant \(tenant), rights \(rights.map(\.rawValue).joined(separator: ", ")), in \(file.path). The key is not shown again.\nA running daemon accepts it after SIGHUP (systemctl reload longtake).\n",
                    to: .error)
                StandardStreams.write(key.text + "\n", to: .output)
            }
        }
    }

    /// `longtake keys list`
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the keys without their secrets.")

        @OptionGroup var options: KeyFileOptions
        @Flag(help: "Print the list as JSON.")
        var json = false

        func run() throws {
            try Keys.perform {
                let keys = try options.keyFile().read().keys
                guard !json else {
                    return StandardStreams.write(try JSONText.encode(keys.map(KeyDocument.init)) + "\n", to: .output)
                }
                guard !keys.isEmpty else { return StandardStreams.write("There are no keys.\n", to: .error) }
                var rows = [["ID", "TENANT", "RIGHTS", "CREATED", "STATE", "NAME"]]
                for key in keys {
                    rows.append([
                        key.id.description, key.tenant.description, key.rights.map(\.rawValue).joined(separator: ","),
                        key.createdAt.description, key.revokedAt.map { "revoked \($0)" } ?? "active", key.name,
                    ])
                }
                StandardStreams.write(TextTable(rows).text, to: .output)
            }
        }
    }

    /// `longtake keys revoke`
    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revokes a key.",
            discussion: """
                The daemon then rejects the key and its tickets, and closes their streams. A running daemon does so after SIGHUP (systemctl
                reload longtake). The key stays in the list.
                """)

        @Argument(help: "The id of the key, as in the list.")
        var id: String
        @OptionGroup var options: KeyFileOptions

        func run() throws {
            try Keys.perform {
                let file = try options.keyFile()
                try file.update { content in
                    guard let index = content.keys.firstIndex(where: { $0.id.description == id }) else {
                        throw KeyFile.Failure(
                            description: "there is no key with the id \(id). longtake keys list shows all keys.")
                    }
                    if content.keys[index].revokedAt == nil { content.keys[index].revokedAt = SystemClock().now() }
                }
                StandardStreams.write(
                    "Revoked key \(id) in \(file.path). A running daemon rejects it after SIGHUP (systemctl reload longtake).\n",
                    to: .error)
            }
        }
    }

    /// `longtake keys rotate`
    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Creates a new secret for signing tickets.",
            discussion: """
                Existing tickets stay valid until they expire. The old secret is removed when the last of them has expired, after a week. With
                --revoke-tickets all existing tickets become invalid.
                """)

        @OptionGroup var options: KeyFileOptions
        @Flag(help: "Remove the old secrets at once.")
        var revokeTickets = false

        func run() throws {
            try Keys.perform {
                try options.keyFile().update { $0.rotate(at: SystemClock().now(), keepingOld: !revokeTickets) }
                StandardStreams.write(
                    "A running daemon uses the new secret after SIGHUP (systemctl reload longtake).\n", to: .error
                )
            }
        }
    }
}

/// A key in the JSON list.
private struct KeyDocument: Encodable {
    let key: KeyRecord

    private enum Name: String, CodingKey {
        case id, tenant, rights, name
        case createdAt = "created_at"
        case revokedAt = "revoked_at"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Name.self)
        try container.encode(key.id, forKey: .id)
        try container.encode(key.tenant, forKey: .tenant)
        try container.encode(key.rights, forKey: .rights)
        try container.encode(key.name, forKey: .name)
        try container.encode(key.createdAt, forKey: .createdAt)
        try container.encode(key.revokedAt, forKey: .revokedAt)
    }
}

/// Aligns columns of text for a terminal.
private struct TextTable {
    private let rows: [[String]]

    /// - Parameter rows: the rows, headings first. All rows have the same length.
    init(_ rows: [[String]]) { self.rows = rows }

    var text: String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                // The last column needs no padding.
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            return cells.joined(separator: "  ") + "\n"
        }.joined()
    }
}
