import ArgumentParser
import LongtakeCore
import LongtakeHTTP

/// `longtake keys`
struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes, lists and revokes the API keys of a daemon with auth.mode: keys.",
        discussion: """
            The keys are in a file of their own, keys.json beside the database unless auth.keys_file says otherwise. A daemon reads it when it
            starts and at SIGHUP (systemctl reload longtake). Run this as the user of the daemon, or as root.

            Examples:
              longtake keys create --data /var/lib/longtake --tenant acme --name "the web shop"
              longtake keys create --data /var/lib/longtake --tenant ops --rights read,admin
              longtake keys list --data /var/lib/longtake
              longtake keys revoke 4f1d8a0c93be --data /var/lib/longtake
              longtake keys rotate --data /var/lib/longtake          a new secret for signing tickets
            """,
        subcommands: [Create.self, List.self, Revoke.self, Rotate.self])

    /// Where the file is.
    struct Place: ParsableArguments {
        @Option(name: .long, help: ArgumentHelp("Read settings from this file.", valueName: "file"))
        var config: String?
        @Option(name: .long, help: ArgumentHelp("The directory of the database.", valueName: "directory"))
        var data: String?

        func file() throws -> KeyFile {
            let flags = (config.map { ["--config", $0] } ?? []) + (data.map { ["--data", $0] } ?? [])
            return KeyFile(path: try SettingsOptions.parse(flags).load().settings.keysPath)
        }
    }

    /// Runs `body`, and tells what goes wrong in it.
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
            abstract: "Makes a key and prints it, once.",
            discussion: """
                The key alone goes to standard output, what it is to standard error: `KEY=$(longtake keys create --tenant acme)`. Only a hash of
                it is stored. The rights are read (see the tenant's jobs), submit (submit, cancel, retry and delete them) and admin (what concerns
                all tenants: pausing queues, backups, metrics).
                """)

        @OptionGroup var place: Place
        @Option(help: "Whose jobs it opens: 1 to 64 characters of a-z, 0-9, '-' and '_'.")
        var tenant: String
        @Option(help: "What it may do: read, submit, admin, with commas between them.")
        var rights = "read,submit"
        @Option(help: "What it is for, at most 64 characters.")
        var name = ""

        private func parsed() throws -> (tenant: TenantName, rights: [Right]) {
            guard let tenant = TenantName(tenant) else {
                throw ValidationError("--tenant has 1 to 64 characters of a-z, 0-9, '-' and '_'.")
            }
            let rights = rights.split(separator: ",").map { Right(rawValue: String($0)) }
            guard !rights.isEmpty, !rights.contains(nil) else {
                throw ValidationError("--rights are read, submit and admin, with commas between them.")
            }
            return (tenant, Right.allCases.filter(rights.contains))
        }

        func validate() throws {
            _ = try parsed()
            guard name.count <= 64, !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else {
                throw ValidationError("--name has at most 64 characters, and no control characters.")
            }
        }

        func run() throws {
            let (tenant, rights) = try parsed()
            try Keys.perform {
                let (file, time) = (try place.file(), SystemClock().now())
                let key = APIKey(random: KeyFile.Content.random)
                try file.update { content in
                    if content.signingKeys.isEmpty { content.rotate(at: time, keepingOld: true) }
                    content.keys.append(KeyRecord(key, tenant: tenant, rights: rights, name: name, at: time))
                }
                StandardStreams.write(
                    "Made key \(key.id) for tenant \(tenant), rights \(rights.map(\.rawValue).joined(separator: ", ")), in \(file.path). It is not shown again.\nA running daemon knows it after SIGHUP (systemctl reload longtake).\n",
                    to: .error)
                StandardStreams.write(key.text + "\n", to: .output)
            }
        }
    }

    /// `longtake keys list`
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the keys, without their secrets.")

        @OptionGroup var place: Place
        @Flag(help: "Print them as JSON.")
        var json = false

        func run() throws {
            try Keys.perform {
                let keys = try place.file().read().keys
                guard !json else {
                    return StandardStreams.write(try JSONText.encode(keys.map(KeyDocument.init)) + "\n", to: .output)
                }
                guard !keys.isEmpty else { return StandardStreams.write("There are no keys.\n", to: .error) }
                var rows = [["ID", "TENANT", "RIGHTS", "MADE", "STATE", "NAME"]]
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
            abstract: "Makes a key open nothing any more.",
            discussion: """
                Tickets that were made with it open nothing then either, and streams that it opened end. A running daemon knows it after SIGHUP
                (systemctl reload longtake). The key stays in the list.
                """)

        @Argument(help: "The key's id, as the list shows it.")
        var id: String
        @OptionGroup var place: Place

        func run() throws {
            try Keys.perform {
                let file = try place.file()
                try file.update { content in
                    guard let index = content.keys.firstIndex(where: { $0.id.description == id }) else {
                        throw KeyFile.Failure(description: "there is no key \(id)")
                    }
                    if content.keys[index].revokedAt == nil { content.keys[index].revokedAt = SystemClock().now() }
                }
                StandardStreams.write(
                    "Revoked \(id) in \(file.path). A running daemon knows it after SIGHUP (systemctl reload longtake).\n",
                    to: .error)
            }
        }
    }

    /// `longtake keys rotate`
    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a new secret for signing tickets.",
            discussion: """
                Tickets that were signed before stay good until they expire, and the old secret is let go of when the last of them has (a week).
                With --revoke-tickets none of them opens anything any more.
                """)

        @OptionGroup var place: Place
        @Flag(help: "Let go of the old secrets at once.")
        var revokeTickets = false

        func run() throws {
            try Keys.perform {
                try place.file().update { $0.rotate(at: SystemClock().now(), keepingOld: !revokeTickets) }
                StandardStreams.write(
                    "A running daemon signs with the new secret after SIGHUP (systemctl reload longtake).\n", to: .error
                )
            }
        }
    }
}

/// A key as the list shows it to machines.
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
