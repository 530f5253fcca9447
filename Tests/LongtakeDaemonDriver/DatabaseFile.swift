import GRDB
import Testing

/// Oracle O6: checks the database file while no daemon uses it.
package struct DatabaseFile {
    package let path: String

    package init(_ directory: String) { path = directory + "/longtake.db" }

    package func check() throws {
        var configuration = Configuration()
        configuration.readonly = true
        let database = try DatabaseQueue(path: path, configuration: configuration)
        let (integrity, strays) = try database.read { db in
            (
                try String.fetchAll(db, sql: "PRAGMA integrity_check"),
                try Row.fetchAll(db, sql: "PRAGMA foreign_key_check").count
            )
        }
        #expect(integrity == ["ok"])
        #expect(strays == 0)
    }
}
