import { readFileSync } from "node:fs";
import { request } from "node:https";
import { deadline } from "#lib/runtime/deadline.ts";
import { seconds } from "#lib/runtime/duration.ts";

/** Where a pod finds its own token and the cluster's authority. */
const folder = "/var/run/secrets/kubernetes.io/serviceaccount";

const requestTimeout = seconds(10);

/** GET, as the pod's service account, whose token is read anew each time. Resolves with the text of a 200; throws for anything else. */
export function getInCluster(url: string, { ca = `${folder}/ca.crt`, token = `${folder}/token` } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${readFileSync(token, "utf8").trim()}` };
    const asked = request(url, { ca: readFileSync(ca), headers, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.once("error", reject);
      answer.once("end", () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(`${url}: ${answer.statusCode}: ${text}`))));
    });
    const waiting = deadline(requestTimeout, () => asked.destroy(new Error(`${url}: no answer in time`)));
    asked.once("close", () => waiting.cancel());
    asked.once("error", reject);
    asked.end();
  });
}
