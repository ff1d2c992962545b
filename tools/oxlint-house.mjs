/** House rules that no ready-made rule covers. */

const docBefore = (context, node) =>
  context.sourceCode.getCommentsBefore(node).findLast((c) => c.type === "Block" && c.value.startsWith("*"))

/** Every exported declaration of a package says since when it exists, or that it is internal. */
const since = {
  meta: { type: "problem", docs: { description: "exported declarations carry @since or @internal" } },
  create(context) {
    return {
      ExportNamedDeclaration(node) {
        if (!node.declaration) return
        const doc = docBefore(context, node)
        if (!doc || !/@since|@internal/.test(doc.value)) {
          context.report({ node, message: "export needs a doc comment with @since (or @internal)" })
        }
      }
    }
  }
}

/** Importing a package does nothing: no bare side-effect import, no top-level call statement. */
const inertModule = {
  meta: { type: "problem", docs: { description: "importing a module of a package does nothing" } },
  create(context) {
    return {
      Program(program) {
        for (const node of program.body) {
          if (
            node.type === "ExpressionStatement" || (node.type === "ImportDeclaration" && node.specifiers.length === 0)
          ) {
            context.report({
              node,
              message: "importing a package does nothing: no statement with an effect at the top"
            })
          }
        }
      }
    }
  }
}

export default { meta: { name: "house" }, rules: { since, "inert-module": inertModule } }
