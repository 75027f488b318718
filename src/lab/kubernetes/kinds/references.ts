import { part, string } from "#lib/apiserver/openapi/build.ts";

export const objectReference = part("io.k8s.api.core.v1.ObjectReference", "Points to an object.", {
  apiVersion: string("API version of the object."),
  kind: string("Kind of the object."),
  namespace: string("Namespace of the object."),
  name: string("Name of the object."),
  uid: string("UID of the object."),
  resourceVersion: string("Version of the object."),
  fieldPath: string("A part of the object."),
});

export const localObjectReference = part("io.k8s.api.core.v1.LocalObjectReference", "An object of the same namespace.", {
  name: string("Its name."),
});
